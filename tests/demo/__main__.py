"""`make demo`: the whole system plays a short warehouse day with faults, then every command is counted."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.checker.evidence import Told, VendorBooks
from tests.demo import troubles
from tests.demo.play import Player
from tests.demo.records import ROUTES, plan_day
from tests.demo.scenario import OPENBOM, PARTBOLT, PARTIUM, PARTSBOX, STATIONS, VENDORS
from tests.demo.screen import Screen, print_verdict
from tests.demo.senders import KANBAN_SECRET, KANBAN_SECRET_NAME, configuration
from tests.demo.verdict import judge
from tests.process import ProcessError
from tests.stack import API_CLIENT, API_TOKEN, Stack

#: What the workers are told: requests a second, of which so many at once, and in flight.
LIMITS = {PARTSBOX: (20, 5, 4), PARTIUM: (5, 1, 2), OPENBOM: (10, 2, 4), PARTBOLT: (5, 1, 2)}
SETTINGS = {
    # short, so that a lost request is decided within the demo; the vendors commit at once or never
    **{f"STOCKRELAY_{vendor.upper()}_SETTLE_SECONDS": "2" for vendor in LIMITS},
    **{f"STOCKRELAY_{vendor.upper()}_TIMEOUT_SECONDS": "5" for vendor in LIMITS},
    **{f"STOCKRELAY_{vendor.upper()}_RATES": f"{rate}/1s+{burst}" for vendor, (rate, burst, _) in LIMITS.items()},
    **{f"STOCKRELAY_{vendor.upper()}_CONCURRENCY": str(most) for vendor, (_, _, most) in LIMITS.items()},
    "STOCKRELAY_PARTSBOX_USER": "relay",
    "STOCKRELAY_WORKER_LEASE_SECONDS": "3",
    KANBAN_SECRET_NAME: KANBAN_SECRET,
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
        config = folder / "stockrelay.toml"
        config.write_text(ROUTES + configuration(folder / "drop"))
        names = ("STOCKRELAY_ROUTING_CONFIG", "STOCKRELAY_WEBHOOKS_CONFIG", "STOCKRELAY_FILES_CONFIG")
        settings = {**SETTINGS, **dict.fromkeys(names, str(config))}
        sandboxes = {vendor: _sandbox_options(vendor) for vendor in LIMITS}
        console.print(
            "Starting Redis, four sandbox vendors, workers, the webhooks server, the file watcher and Flower …"
        )
        with Stack(
            folder,
            vendors=VENDORS,
            files=True,
            flower=True,
            settings=settings,
            sandbox_options=sandboxes,
            environment={},
        ) as stack:
            is_right = _play(console, stack, folder)
            word = "[bold green]all right[/]" if is_right else "[bold red]NOT right[/]"
            console.print(f"{word} after {time.monotonic() - started:.0f} s")
            if stay:
                _stay(console, stack)
    if not stay:
        console.print("Flower showed one row for each command: `make demo ARGS=--stay` keeps it.")
    return 0 if is_right else 1


def _sandbox_options(vendor: str) -> tuple[str, ...]:
    rate, burst, concurrency = LIMITS[vendor]
    # Between permit and arrival a request may lose half a second (the permit's life) and what a loaded machine adds,
    # so the next ones come that much closer behind it: the vendor allows a second's worth more at once.
    return (
        *("--seed-fixture", "warehouse", "--rate", f"{rate}/s", "--burst", str(burst + rate)),
        *("--concurrency", str(concurrency), "--read-latency-ms", "10-20", "--write-latency-ms", "40-80"),
    )


def _play(console: Console, stack: Stack, folder: Path) -> bool:
    day = plan_day(int(time.time() * 1000))
    player = Player(stack, day, folder)
    total = day.commands.total()
    console.print(f"{total} commands: {len(STATIONS)} stations scan, kanban sends webhooks, a file is dropped,")
    console.print("a catalog feed and engineering call")
    _print_flower(console, stack)
    troubles.prepare(player)
    mornings = {vendor: player.control(vendor, "GET", "state") for vendor in LIMITS}
    try:
        with Screen(console, total) as screen:
            player.play((troubles.at_partsbox, troubles.at_partium, troubles.at_openbom), screen.show)
    except TimeoutError as error:
        console.print(Text(f"{error}; these commands did not end:", style="bold red"))
        for command in player.unended():
            console.print(Text(f"  {command}"))
        return False
    evenings = {vendor: _evening(player, vendor) for vendor in mornings}
    told = {vendor: Told(player.ledgers.entries(vendor), player.ledgers.steps(vendor)) for vendor in VENDORS}
    verdict = judge(day, player.record, mornings, evenings, told)
    print_verdict(console, verdict)
    return verdict.is_right


def _evening(player: Player, vendor: str) -> VendorBooks:
    journal, state, limits, faults = (
        player.control(vendor, "GET", path) for path in ("journal", "state", "limits", "faults")
    )
    return VendorBooks(vendor, journal, limits, state, [*faults, *player.record.troubles.get(vendor, [])])


def _print_flower(console: Console, stack: Stack) -> None:
    console.print(f"Flower {stack.flower_url}", f"login  {stack.flower_login}", sep="\n", soft_wrap=True)


def _stay(console: Console, stack: Stack) -> None:
    _print_flower(console, stack)
    console.print("Ctrl-C ends everything.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("bye")


if __name__ == "__main__":
    sys.exit(main())
