"""`make demo`: the whole system plays a short warehouse day with faults, then every command is counted."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.demo.play import Player
from tests.demo.scenario import STATIONS, plan_day
from tests.demo.screen import Screen, print_verdict
from tests.demo.verdict import judge
from tests.process import ProcessError
from tests.stack import API_CLIENT, API_TOKEN, Stack

#: What the sandbox vendor allows, and what the worker is told: the same figures.
RATE_PER_SECOND, BURST, CONCURRENCY = 15, 5, 4
SANDBOX_OPTIONS = (
    *("--seed-fixture", "warehouse", "--rate", f"{RATE_PER_SECOND}/s", "--burst", str(BURST)),
    *("--concurrency", str(CONCURRENCY), "--read-latency-ms", "10-20", "--write-latency-ms", "40-80"),
)
SETTINGS = {
    "STOCKRELAY_PARTSBOX_RATES": f"{RATE_PER_SECOND}/1s+{BURST}",
    "STOCKRELAY_PARTSBOX_CONCURRENCY": str(CONCURRENCY),
    # short, so that a lost request is decided within the demo; the vendor commits at once or never
    "STOCKRELAY_PARTSBOX_SETTLE_SECONDS": "2",
    "STOCKRELAY_PARTSBOX_TIMEOUT_SECONDS": "5",
    "STOCKRELAY_PARTSBOX_USER": "relay",
    "STOCKRELAY_WORKER_LEASE_SECONDS": "3",
    "STOCKRELAY_WEBHOOKS_TOKENS": ",".join(
        f"{client}:{token}" for client, token in {API_CLIENT: API_TOKEN, **STATIONS}.items()
    ),
}
#: The exit code of a program that Ctrl-C ended.
INTERRUPTED = 128 + signal.SIGINT


def main() -> int:
    """Play and count; 0 only if everything is right."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="keep everything up after the count, until Ctrl-C")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(highlight=False)
    try:
        return _run(console, stay=options.stay)
    except ProcessError as error:
        console.print(Text(str(error), style="bold red"))
        return 1
    except KeyboardInterrupt:
        console.print("interrupted")
        return INTERRUPTED


def _run(console: Console, *, stay: bool) -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stockrelay-demo-") as name:
        folder = Path(name)
        console.print("Starting Redis, a sandbox vendor, a worker, the command API and Flower …")
        with Stack(folder, flower=True, settings=SETTINGS, sandbox_options=SANDBOX_OPTIONS, environment={}) as stack:
            is_right = _play(console, stack, folder)
            word = "[bold green]all right[/]" if is_right else "[bold red]NOT right[/]"
            console.print(f"{word} after {time.monotonic() - started:.0f} s")
            if stay:
                _stay(console, stack)
    if not stay:
        console.print("Flower showed one row for each command: `make demo ARGS=--stay` keeps it.")
    return 0 if is_right else 1


def _play(console: Console, stack: Stack, folder: Path) -> bool:
    day = plan_day(int(time.time() * 1000))
    player = Player(stack, day, folder)
    total = sum(day.commands.values())
    console.print(f"{len(STATIONS)} stations scan and a kanban system calls: {total} commands that change stock")
    _print_flower(console, stack)
    try:
        with Screen(console, total + day.orders) as screen:
            player.play(screen.show)
    except TimeoutError as error:
        console.print(Text(f"{error}; these commands did not end:", style="bold red"))
        for command in player.unended():
            console.print(Text(f"  {command}"))
        return False
    verdict = judge(player)
    print_verdict(console, verdict)
    return verdict.is_right


def _print_flower(console: Console, stack: Stack) -> None:
    console.print(f"Flower {stack.flower_url}", f"login  {stack.flower_login}", sep="\n", soft_wrap=True)


def _stay(console: Console, stack: Stack) -> None:
    _print_flower(console, stack)
    console.print("Ctrl-C ends everything.")
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        console.print("bye")


if __name__ == "__main__":
    sys.exit(main())
