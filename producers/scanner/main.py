"""`stockrelay-station`: settings in, scans and deliveries side by side until the end; and the tools of a station."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from producers.exits import EXIT_FAILURE, EXIT_OK, EXIT_TRY_LATER, EXIT_USAGE
from producers.metrics import serving_outbox
from producers.outbox import Outbox, OutboxError
from producers.scanner.codes import CodeReader
from producers.scanner.inputs import InputError
from producers.scanner.lookups import CachedDirectory, DirectoryClient
from producers.scanner.receiver import Receiver
from producers.scanner.running import Running
from producers.scanner.screen import Documents, FullScreen, Lines, Nothing
from producers.scanner.sounds import Sounds
from producers.scanner.station import SCHEMA, Station
from producers.scanner.tools import COMMANDS
from producers.settings import STATION_PREFIX, StationSettings
from tasks import tracing
from tasks.endings import drop_output
from tasks.settings import SettingsError, read_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from producers.scanner.screen import Screen

#: Options of the command line and the variables they win over.
_VARIABLES: Final = {
    "station": "ID",
    "deliver": "DELIVER_URL",
    "outbox": "OUTBOX",
    "input_": "INPUT",
    "code_pattern": "CODE_PATTERN",
    "command_prefix": "COMMAND_PREFIX",
    "sound": "SOUND",
    "bounce_seconds": "BOUNCE_SECONDS",
    "repeat_seconds": "REPEAT_SECONDS",
}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How this run behaves: what the command line says and the environment does not."""

    ui: str
    as_json: bool
    drain_seconds: float
    results_seconds: float


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="stockrelay")
def main() -> None:
    """Turn scans into commands, and check, print and look up what a station needs for that."""


@main.command()
@click.option(
    "--input",
    "input_",
    multiple=True,
    help="Where scans come from: evdev:PATH, serial:PATH[@BAUD], tcp:HOST:PORT or stdin; may be given several times."
    "  [default: stdin]",
)
@click.option("--station", help="Name of this station; the relay's token must be this client's.")
@click.option("--deliver", help="Address of the relay, such as https://relay.example.")
@click.option("--outbox", help="File of the outbox.  [default: var/outbox/<station>.sqlite3]")
@click.option("--code-pattern", help="Regular expression of an id code, with one named group (?P<id>...).")
@click.option("--command-prefix", help="What every code on the printed sheet begins with.  [default: STOCK]")
@click.option("--sound", help="bell, none, or cmd: and a program.  [default: bell, on a terminal]")
@click.option("--bounce-seconds", help="The same scan again within this time counts once.  [default: 0.7]")
@click.option("--repeat-seconds", help="The same label again within this time is asked about.  [default: 30]")
@click.option(
    "--drain-seconds",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="How long to go on delivering after the input has ended; after SIGTERM 8 at most.",
)
@click.option(
    "--results-seconds",
    type=click.FloatRange(0, 3600),
    default=60.0,
    show_default=True,
    help="How long to ask what became of a delivered command; 0 never asks, and then UNDO waits for an answer.",
)
@click.option(
    "--ui",
    type=click.Choice(["none", "line", "full"]),
    help="What to show.  [default: full on a terminal, line elsewhere and while stdin is an input]",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of text.")
@click.option("--check", is_flag=True, help="Check the settings and exit: 0 good, 2 not.")
def run(*, check: bool, **options: Any) -> None:
    """Take scans and deliver them. The token is read from STOCKRELAY_STATION_TOKEN or the file in …_TOKEN_FILE.

    The other options of the station can be given as variables too: STOCKRELAY_STATION_ID, _DELIVER_URL, _OUTBOX,
    _INPUT (separated by commas), _CODE_PATTERN, _COMMAND_PREFIX, _SOUND, _BOUNCE_SECONDS, _REPEAT_SECONDS. The exit
    code is 0 when everything was delivered, 75 when some of it waits in the outbox, 1 when the relay refused a command
    of this run.
    """
    try:
        settings = read_environment(StationSettings, STATION_PREFIX, _with_options(os.environ, options))
        tracing.is_wanted(os.environ)
    except SettingsError as error:
        click.echo(f"stockrelay-station: {error}", err=True)
        sys.exit(EXIT_USAGE)
    if check:
        click.echo(f"settings are good: station {settings.id}, relay {settings.deliver_url}")
        return
    ui = options["ui"] or ("full" if sys.stdout.isatty() and "stdin" not in settings.input else "line")
    behaviour = Behaviour(ui, options["as_json"], options["drain_seconds"], options["results_seconds"])
    sys.exit(_run(settings, behaviour))


for _command in COMMANDS:
    main.add_command(_command)


def _with_options(environ: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, str]:
    """Let the command line win over the environment, each value checked in one place."""
    given = {
        STATION_PREFIX + variable: ",".join(value) if isinstance(value, tuple) else value
        for name, variable in _VARIABLES.items()
        if (value := options[name]) not in (None, ())
    }
    return {**environ, **given}


def _run(settings: StationSettings, behaviour: Behaviour) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A display that cannot show a character shows a question mark; it must not stop the station.
        sys.stdout.reconfigure(errors="replace")
    path = settings.outbox or Path("var", "outbox", f"{settings.id}.sqlite3")
    code = EXIT_FAILURE
    try:
        with (
            Outbox(path, settings.id, schema=SCHEMA) as outbox,
            serving_outbox(outbox, settings.id, os.environ),
            tracing.opened("stockrelay-station", os.environ),
        ):
            code = asyncio.run(_serve(settings, behaviour, outbox))
    except* SettingsError as errors:
        click.echo(f"stockrelay-station: {_first(errors)}", err=True)
        code = EXIT_USAGE
    except* (OutboxError, InputError) as errors:
        click.echo(f"stockrelay-station: {_first(errors)}", err=True)
    except* BrokenPipeError:
        drop_output()  # what is stored stays stored
    return code


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _screen(settings: StationSettings, behaviour: Behaviour) -> Screen:
    if behaviour.as_json:
        return Documents(sys.stdout)
    if behaviour.ui == "full":
        return FullScreen(sys.stdout, settings.id)
    return Lines(sys.stdout) if behaviour.ui == "line" else Nothing()


async def _serve(settings: StationSettings, behaviour: Behaviour, outbox: Outbox) -> int:
    screen = _screen(settings, behaviour)
    sounds = Sounds("none" if behaviour.as_json else settings.sound, sys.stdout, screen.note)
    reader = CodeReader(settings.code_pattern, settings.command_prefix)
    try:
        async with (
            Receiver(settings.deliver_url, settings.token, announce_clock=_clock_news(screen)) as receiver,
            DirectoryClient(settings.deliver_url, settings.token) as client,
        ):
            station = Station(
                settings.id,
                outbox,
                reader,
                CachedDirectory(outbox, client),
                bounce_ms=int(settings.bounce_seconds * 1000),
                repeat_seconds=settings.repeat_seconds,
            )
            running = Running(station, outbox, receiver, screen, sounds, results_seconds=behaviour.results_seconds)
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, running.stop)
            await running.until_the_end(settings.input, behaviour.drain_seconds)
            await sounds.end()
        waiting = outbox.count_undelivered()
        if waiting:
            screen.note(f"{waiting} not delivered; they are kept and go out at the next start")
    finally:
        screen.close()
    if waiting:
        return EXIT_TRY_LATER
    return EXIT_FAILURE if running.refused else EXIT_OK


def _clock_news(screen: Screen) -> Callable[[float], None]:
    def announce(ahead_seconds: float) -> None:
        if ahead_seconds:
            way = "ahead" if ahead_seconds > 0 else "behind"
            screen.note(f"the clock of this machine is {abs(ahead_seconds):.0f} s {way}: have it set")
        else:
            screen.note("the clock of this machine is right again")

    return announce


if __name__ == "__main__":
    main()
