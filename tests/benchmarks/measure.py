"""What processes cost: processor time and memory, of one or of a whole family."""

from __future__ import annotations

import os
from pathlib import Path

#: The clock ticks per second of /proc/<pid>/stat.
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Read the processor time that a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mib(pid: int) -> float:
    """Read the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def family(pid: int) -> list[int]:
    """List a process and all that descend from it, in any thread's name."""
    found = [pid]
    for member in found:  # grows while it is read
        for children in Path(f"/proc/{member}/task").glob("*/children"):
            found += map(int, children.read_text().split())
    return found


def family_cpu_seconds(pid: int) -> float:
    """Add up the processor time of a process and its descendants that live."""
    return sum(map(cpu_seconds, family(pid)))


def family_rss_mib(pid: int) -> float:
    """Add up the resident memory of a process and its descendants; what they share counts for each."""
    return sum(map(rss_mib, family(pid)))
