"""`stockrelay-station`: reads the settings, opens the outbox, runs scans and delivery side by side until the end."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from producers.outbox import Outbox, OutboxError
from producers.scanner.codes import CodeReader
from producers.scanner.delivery import Delivery
from producers.scanner.flows import Flows
from producers.scanner.inputs import scans_from
from producers.scanner.receiver import Receiver
from producers.scanner.screen import Screen
from producers.scanner.station import BOUNCE_SECONDS, Station
from producers.settings import STATION_PREFIX, StationSettings
from tasks.commands import MAX_QUANTITY
from tasks.settings import SettingsError, read_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Exit codes of design section 7; 75 is EX_TEMPFAIL of sysexits.h.
EXIT_OK: Final = 0
EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2
EXIT_TRY_LATER: Final = 75
_STDIN: Final = 0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How this run behaves: what the command line says and the environment does not."""

    default_quantity: int | None
    bounce_seconds: float
    drain_seconds: float
    results_seconds: float


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--input", "input_", type=click.Choice(["stdin"]), default="stdin", help="Where scans come from.")
@click.option("--station", help="Name of this station; the relay's token must be this client's.")
@click.option("--deliver", help="Address of the relay, such as https://relay.example.")
@click.option("--outbox", help="File of the outbox.  [default: var/outbox/<station>.sqlite3]")
@click.option("--code-pattern", help="Regular expression of an id code, with one named group (?P<id>...).")
@click.option(
    "--default-quantity",
    type=click.IntRange(1, MAX_QUANTITY),
    help="Quantity of a move without one; left out, the station asks every time.",
)
@click.option(
    "--bounce-seconds",
    type=click.FloatRange(0, 10),
    default=BOUNCE_SECONDS,
    show_default=True,
    help="The same code again within this time counts once.",
)
@click.option(
    "--drain-seconds",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="How long to go on delivering after the input has ended.",
)
@click.option(
    "--results-seconds",
    type=click.FloatRange(0, 3600),
    default=60.0,
    show_default=True,
    help="How long to ask what became of a delivered command; 0 never asks.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of text.")
@click.option("--bell", is_flag=True, help="Ring the terminal bell: 1 stored, 2 not taken, 3 refused later.")
@click.option("--check", is_flag=True, help="Check the settings and exit: 0 good, 2 not.")
@click.version_option(package_name="stockrelay")
def main(*, as_json: bool, bell: bool, check: bool, **options: Any) -> None:
    """Turn scans into commands. The token is read from STOCKRELAY_STATION_TOKEN or the file in …_TOKEN_FILE.

    Every option of the connection can be given as a variable: STOCKRELAY_STATION_ID, _DELIVER_URL, _OUTBOX,
    _CODE_PATTERN. The exit code is 0 when everything was delivered, 75 when some of it waits in the outbox, 1 when the
    relay refused a command of this run.
    """
    try:
        settings = read_environment(StationSettings, STATION_PREFIX, _with_options(os.environ, options))
    except SettingsError as error:
        click.echo(f"stockrelay-station: {error}", err=True)
        sys.exit(EXIT_USAGE)
    if check:
        click.echo(f"settings are good: station {settings.id}, relay {settings.deliver_url}")
        return
    behaviour = Behaviour(
        options["default_quantity"], options["bounce_seconds"], options["drain_seconds"], options["results_seconds"]
    )
    screen = Screen(sys.stdout, as_json=as_json, bell=bell)
    sys.exit(_run(settings, behaviour, screen))


def _with_options(environ: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, str]:
    """Let the command line win over the environment, each value checked in one place."""
    names = {"station": "ID", "deliver": "DELIVER_URL", "outbox": "OUTBOX", "code_pattern": "CODE_PATTERN"}
    given = {STATION_PREFIX + names[name]: options[name] for name in names if options[name] is not None}
    return {**environ, **given}


def _run(settings: StationSettings, behaviour: Behaviour, screen: Screen) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A display that cannot show a character shows a question mark; it must not stop the station.
        sys.stdout.reconfigure(errors="replace")
    path = settings.outbox or Path("var", "outbox", f"{settings.id}.sqlite3")
    code = EXIT_FAILURE
    try:
        with Outbox(path, settings.id) as outbox:
            code = asyncio.run(_serve(settings, behaviour, outbox, screen))
    except* OutboxError as errors:
        click.echo(f"stockrelay-station: {errors.exceptions[0]}", err=True)
    except* BrokenPipeError:
        # Nobody reads the screen; what is stored stays stored. The interpreter's own flush must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


async def _serve(settings: StationSettings, behaviour: Behaviour, outbox: Outbox, screen: Screen) -> int:
    flows = Flows(behaviour.default_quantity)
    station = Station(
        settings.id, outbox, CodeReader(settings.code_pattern), flows, bounce_seconds=behaviour.bounce_seconds
    )
    async with Receiver(settings.deliver_url, settings.token) as receiver:
        delivery = Delivery(outbox, receiver, screen.news, results_seconds=behaviour.results_seconds)
        _greet(station, outbox, screen)
        work = asyncio.create_task(_until_the_end(station, delivery, screen, behaviour.drain_seconds))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await work
    waiting = outbox.count_undelivered()
    if waiting:
        screen.note(f"{waiting} not delivered; they are kept and go out at the next start")
        return EXIT_TRY_LATER
    return EXIT_FAILURE if delivery.refused else EXIT_OK


def _greet(station: Station, outbox: Outbox, screen: Screen) -> None:
    """Show what an interrupted run left: its last entry may have been stored without its feedback being seen."""
    for stored in outbox.undelivered():
        screen.news(stored, None, "from before this start")
    latest = outbox.latest()
    if latest is not None:
        screen.note(f"last stored before this start: {latest.summary} [{latest.key}]")
    screen.feedback(station.greet())


async def _until_the_end(station: Station, delivery: Delivery, screen: Screen, drain_seconds: float) -> None:
    async with asyncio.TaskGroup() as group:
        background = (group.create_task(delivery.deliver()), group.create_task(delivery.follow()))
        async for scan in scans_from(_STDIN):
            feedback = station.scan(scan)
            screen.feedback(feedback)
            if feedback.key is not None:
                delivery.wake()
            # A long file piped in must not keep the deliveries waiting.
            await asyncio.sleep(0)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(delivery.finish(), drain_seconds)
        for task in background:
            task.cancel()


if __name__ == "__main__":
    main()
