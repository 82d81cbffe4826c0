"""One measurement each: a round of throughput, a phase of latency, a recovery."""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import redis
import requests

from tasks.stock import AddStock
from tests.process import wait_until
from tests.sandbox.partsbox import id_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.process import Process
    from tests.stack import Stack

LEDGER = "sr:{partsbox}:"
SHELF = id_for("storage", "bench-shelf")
#: The clock ticks per second of /proc/<pid>/stat.
TICKS = os.sysconf("SC_CLK_TCK")
ROUND_SECONDS = 120.0
_ticks = itertools.count(int(time.time() * 1000))


@dataclass(frozen=True, slots=True)
class Throughput:
    """One round: so many commands that waited when the worker was let loose."""

    commands: int
    seconds: float
    commands_per_second: float
    cpu_ms_per_command: float
    rss_mib: float


class Candidate(Protocol):
    """A worker to be measured: how it is given work, and how it shows that it has done it."""

    name: str
    process: Process

    def enqueue(self, parts: Sequence[str]) -> None:
        """Give it one addition for each part."""

    def submit(self, part: str) -> str:
        """Give it one addition now; returns the text that its comment will hold."""

    def idle(self) -> bool:
        """Tell whether it has nothing left to do."""


class Relay:
    """Our worker, fed through the command API in latency phases and through the submitter's own path in rounds."""

    name = "stockrelay"

    def __init__(self, stack: Stack) -> None:
        self.process = stack.worker
        self._stack = stack
        self._redis: Any = redis.Redis.from_url(stack.redis_url, decode_responses=True)
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {stack.api_token}"

    def enqueue(self, parts: Sequence[str]) -> None:
        for part in parts:
            self.submit(part)

    def submit(self, part: str) -> str:
        command = AddStock(part_id=part, storage_id=SHELF, quantity=1, stock_timestamp=next(_ticks))
        body = {"kind": command.kind, **command.model_dump(mode="json", exclude_none=True, exclude={"source"})}
        answer = self._session.post(f"{self._stack.api_url}/v1/commands", json=body, timeout=10)
        answer.raise_for_status()
        return str(answer.json()["key"])

    def idle(self) -> bool:
        counts = self._redis.hgetall(f"{LEDGER}counts")
        return all(int(count) == 0 for state, count in counts.items() if state != "applied")


class Plain:
    """The plain Celery worker."""

    name = "plain celery"

    def __init__(self, stack: Stack, process: Process) -> None:
        os.environ.update({name: stack.environment[name] for name in stack.environment if name == "REDIS_URL"})
        from tests.benchmarks.plain import add  # noqa: PLC0415  it reads REDIS_URL when it is imported

        self.process = process
        self._add = add
        self._redis: Any = redis.Redis.from_url(stack.redis_url)

    def enqueue(self, parts: Sequence[str]) -> None:
        for part in parts:
            self.submit(part)

    def submit(self, part: str) -> str:
        comment = f"plain-{next(_ticks)}"
        self._add.delay(part, SHELF, 1, comment)
        return comment

    def idle(self) -> bool:
        return not self._redis.llen("plain") and not self._redis.hlen("unacked")


def cpu_seconds(pid: int) -> float:
    """Read the processor time that a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mib(pid: int) -> float:
    """Read the resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def throughput(candidate: Candidate, parts: Sequence[str]) -> Throughput:
    """Let the worker loose on commands that wait for it; from its first moment to its last acknowledgement."""
    candidate.process.stop_signal()
    candidate.enqueue(parts)
    cpu, began = cpu_seconds(candidate.process.pid), time.monotonic()
    candidate.process.cont()
    wait_until(candidate.idle, f"{candidate.name} does its round", ROUND_SECONDS)
    seconds = time.monotonic() - began
    cpu = cpu_seconds(candidate.process.pid) - cpu
    return Throughput(
        commands=len(parts),
        seconds=round(seconds, 3),
        commands_per_second=round(len(parts) / seconds, 1),
        cpu_ms_per_command=round(cpu * 1000 / len(parts), 3),
        rss_mib=round(rss_mib(candidate.process.pid), 1),
    )


def latencies(candidate: Candidate, parts: Sequence[str], control_url: str, per_second: float) -> list[float]:
    """Submit at a low, even rate; give for each the milliseconds from the call to the vendor's commit."""
    began: dict[str, float] = {}
    start = time.monotonic()
    for number, part in enumerate(parts):
        time.sleep(max(0.0, start + number / per_second - time.monotonic()))
        called = time.time() * 1000
        began[candidate.submit(part)] = called
    wait_until(candidate.idle, f"{candidate.name} does its latency phase", ROUND_SECONDS)
    journal = requests.get(f"{control_url}/journal", timeout=30).json()
    found = []
    for effect in journal["effects"]:
        text = (effect["marker"] or effect["comment"]).removeprefix("[cmd:").removesuffix("]")
        if text in began:
            found.append(effect["committed_ms"] - began[text])
    return sorted(found)


def recovery(stack: Stack, parts: Sequence[str]) -> float:
    """SIGKILL a worker that has claimed commands and sent none; seconds until the other has applied them all."""
    relay = Relay(stack)
    ledger: Any = redis.Redis.from_url(stack.redis_url, decode_responses=True)
    slow = {"kind": "delay", "operation": "part/get", "count": None, "delay_seconds": 3.0, "place": "before_commit"}
    requests.post(f"{stack.control_url}/faults", json=slow, timeout=10).raise_for_status()
    victim = stack.start_worker()
    keys = [relay.submit(part) for part in parts]

    def owned() -> list[str]:
        return [key for key in keys if f":{victim.pid}:" in (ledger.hget(f"{LEDGER}cmd:{key}", "owner") or "")]

    wait_until(lambda: len(owned()) > 0, "the victim claims commands")
    orphans = owned()
    victim.kill()
    killed = time.monotonic()
    requests.delete(f"{stack.control_url}/faults", timeout=10).raise_for_status()
    wait_until(
        lambda: all(ledger.hget(f"{LEDGER}cmd:{key}", "state") == "applied" for key in orphans),
        "the orphans are applied",
        ROUND_SECONDS,
    )
    seconds = time.monotonic() - killed
    wait_until(relay.idle, "the rest is done", ROUND_SECONDS)
    return seconds


def describe(rounds: Sequence[Throughput]) -> list[dict[str, Any]]:
    """Give the rounds ready for JSON."""
    return [asdict(one) for one in rounds]
