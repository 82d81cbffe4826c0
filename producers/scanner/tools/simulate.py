"""`stockrelay-station simulate`: the scans of a file through a real station, for rehearsals and for finding faults."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from producers.delivery import Delivery
from producers.outbox import Outbox, OutboxError
from producers.scanner.codes import CodeReader
from producers.scanner.flows import Tone
from producers.scanner.lookups import CachedDirectory, DirectoryClient, NoLookup
from producers.scanner.receiver import Receiver
from producers.scanner.screen import Documents, Lines
from producers.scanner.station import SCHEMA, Station
from producers.scanner.tools.script import Wait, read_script
from producers.scanner.tools.things import KnownThings, read_things
from producers.settings import STATION_PREFIX, StationSettings
from tasks.endings import drop_output
from tasks.settings import SettingsError, read_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.scanner.lookups import Lookup
    from producers.scanner.screen import Screen
    from producers.scanner.tools.script import Step

#: Its own outbox, so that a rehearsal is not delivered by the next real run.
_REHEARSAL: Final = "rehearsal"
_DEVICE: Final = "simulate"


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--deliver", is_flag=True, help="Deliver to the relay of the settings, as `run` does.")
@click.option("--station", help=f"Name of the station.  [default: {_REHEARSAL}; with --deliver that of the settings]")
@click.option(
    "--outbox",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the outbox.  [default: var/outbox/<station>.sqlite3]",
)
@click.option(
    "--things",
    type=click.File("rb"),
    help="JSON list of what ids and part numbers stand for, without --deliver: id, type, name, codes.",
)
@click.option(
    "--drain-seconds", type=click.FloatRange(0), default=60.0, show_default=True, help="How long to go on delivering."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of text.")
def simulate(
    *,
    file: BinaryIO,
    deliver: bool,
    station: str | None,
    path: Path | None,
    things: BinaryIO | None,
    drain_seconds: float,
    as_json: bool,
) -> None:
    r"""Feed the scans of FILE (- is standard input) to a station and show what it answers.

    One scan a line; `#` begins a comment line, `wait 0.5` waits half a second. Control characters may be written as
    \x1d or {GS}. The exit code is 1 when a scan was not taken or the relay refused a command, 75 when some of it was
    not delivered.
    """
    if deliver and things is not None:
        raise click.UsageError("--things is for rehearsals; with --deliver the relay's directory is asked")
    try:
        steps = read_script(file.read())
        lookup = NoLookup() if things is None else KnownThings(read_things(things.read()))
        settings = _settings(station) if deliver else None
    except (ValueError, SettingsError) as error:
        raise click.UsageError(str(error)) from error
    name = settings.id if settings is not None else station or _REHEARSAL
    screen = Documents(sys.stdout) if as_json else Lines(sys.stdout)
    code = 1
    try:
        with Outbox(path or _outbox_of(settings, name), name, schema=SCHEMA) as outbox:
            if settings is None:
                code = asyncio.run(_rehearse(steps, Station(name, outbox, CodeReader(), lookup), screen))
            else:
                code = asyncio.run(_deliver(steps, settings, outbox, screen, drain_seconds))
    except* OutboxError as errors:
        click.echo(f"Error: {errors.exceptions[0]}", err=True)
    except* BrokenPipeError:
        drop_output()  # what is stored stays stored
    sys.exit(code)


def _settings(station: str | None) -> StationSettings:
    given = {} if station is None else {f"{STATION_PREFIX}ID": station}
    return read_environment(StationSettings, STATION_PREFIX, {**os.environ, **given})


def _outbox_of(settings: StationSettings | None, name: str) -> Path:
    chosen = None if settings is None else settings.outbox
    return chosen or Path("var", "outbox", f"{name}.sqlite3")


async def _rehearse(steps: Sequence[Step], station: Station, screen: Screen) -> int:
    return 1 if await _play(steps, station, screen) else 0


async def _deliver(
    steps: Sequence[Step], settings: StationSettings, outbox: Outbox, screen: Screen, drain_seconds: float
) -> int:
    async with (
        Receiver(settings.deliver_url, settings.token) as receiver,
        DirectoryClient(settings.deliver_url, settings.token) as client,
    ):
        reader = CodeReader(settings.code_pattern, settings.command_prefix)
        lookup: Lookup = CachedDirectory(outbox, client)
        delivery = Delivery(outbox, receiver, screen.news, results_seconds=drain_seconds, stream=receiver)
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(delivery.deliver()), group.create_task(delivery.follow())]
            refused = await _play(steps, Station(settings.id, outbox, reader, lookup), screen, delivery)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(drain_seconds):
                    await delivery.finish()
            for task in background:
                task.cancel()
    waiting = outbox.count_undelivered()
    if waiting:
        screen.note(f"{waiting} not delivered; they are kept and go out at the next start")
        return os.EX_TEMPFAIL
    return 1 if refused or delivery.refused else 0


async def _play(steps: Sequence[Step], station: Station, screen: Screen, delivery: Delivery | None = None) -> int:
    """Play the steps; give how many scans were not taken."""
    refused = 0
    screen.feedback(station.greet())
    for step in steps:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            continue
        expired = station.tick()
        if expired is not None:
            screen.feedback(expired)
        await station.prepare(step)
        screen.note(f"scan {step.decode('utf-8', 'backslashreplace')!a}")
        feedback = station.scan(step, _DEVICE)
        screen.feedback(feedback)
        refused += feedback.tone is Tone.ERROR
        if delivery is not None and feedback.key is not None:
            delivery.wake()
        await asyncio.sleep(0)
    return refused
