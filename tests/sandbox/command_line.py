"""A vendor as a process: `python -m tests.sandbox.<vendor> --port N --ready-file PATH`."""

import argparse
import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.sandbox.limits import LimitRules
from tests.sandbox.server import Sandbox
from tests.sandbox.settings import READ_LATENCY_SECONDS, WRITE_LATENCY_SECONDS, Latency


def serve(vendor: type[Sandbox[Any]]) -> None:
    """Read the command line and serve until SIGTERM or SIGINT, then exit with 0."""
    arguments = _parser(vendor).parse_args()
    sandbox = vendor(
        read_latency_seconds=arguments.read_latency_ms,
        write_latency_seconds=arguments.write_latency_ms,
        limit_rules=LimitRules(
            rate_per_second=arguments.rate,
            burst=arguments.burst,
            concurrency=arguments.concurrency,
            enforce=arguments.enforce_limits,
        ),
        seed=arguments.seed,
        seed_fixture=arguments.seed_fixture,
    )
    asyncio.run(_serve(sandbox, arguments))


async def _serve(sandbox: Sandbox[Any], arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with sandbox.serving(arguments.port):
        if arguments.ready_file:
            _announce(arguments.ready_file, sandbox)
        await stop.wait()


def _announce(path: Path, sandbox: Sandbox[Any]) -> None:
    """Write the ready file in one step, so that a reader never sees half of it."""
    ready = {"url": sandbox.url, "control_url": f"{sandbox.root_url}/_sandbox", "pid": os.getpid()}
    draft = path.with_name(path.name + ".draft")
    draft.write_text(json.dumps(ready), encoding="utf-8")
    draft.replace(path)


def _parser(vendor: type[Sandbox[Any]]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {vendor.__module__.rpartition('.')[0]}", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--ready-file", type=Path, help="JSON with url, control_url and pid, written when listening")
    parser.add_argument("--seed-fixture", choices=sorted(vendor.seeds), default="empty")
    parser.add_argument("--seed", type=int, help="makes ids and latencies repeatable")
    parser.add_argument("--rate", type=_rate, help="allowed requests per second, as 2/s")
    parser.add_argument("--burst", type=int, default=1)
    parser.add_argument("--concurrency", type=int, help="allowed requests in flight")
    parser.add_argument("--enforce-limits", action="store_true", help="answer 429 instead of only noting violations")
    parser.add_argument("--read-latency-ms", type=_range, default=READ_LATENCY_SECONDS, help="A-B")
    parser.add_argument("--write-latency-ms", type=_range, default=WRITE_LATENCY_SECONDS, help="A-B")
    return parser


def _rate(text: str) -> float:
    return float(text.removesuffix("/s"))


def _range(text: str) -> Latency:
    low, _, high = text.partition("-")
    return float(low) / 1000, float(high or low) / 1000
