"""The text that names a source of scans, on the command line and in the settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from producers.scanner.inputs.evdev import evdev_input
from producers.scanner.inputs.serial import BAUDS, DEFAULT_BAUD, serial_input
from producers.scanner.inputs.stdin import StandardInput
from producers.scanner.inputs.tcp import TcpInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.scanner.inputs.arrivals import Input

SOURCE_FORMS: Final = "evdev:PATH, serial:PATH[@BAUD], tcp:HOST:PORT or stdin"
_MAX_PORT: Final = 65_535
#: An IPv6 address stands in brackets, as in a URL.
_ADDRESS: Final = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]]+)):(?P<port>[0-9]{1,5})")
_SERIAL: Final = re.compile(r"(?P<path>.+?)(?:@(?P<baud>[0-9]+))?", re.DOTALL)


def parse_source(text: str) -> Input:
    """Read the name of a source without opening it. ValueError says what is wrong and which forms there are."""
    kind, colon, rest = text.partition(":")
    if text == "stdin":
        return StandardInput()
    if kind in ("evdev", "serial") and not rest:
        raise ValueError(f'source "{text}" names no device; give {kind}:PATH, such as {_EXAMPLES[kind]}')
    if kind == "evdev":
        return evdev_input(Path(rest))
    if kind == "serial":
        return _serial(text, rest)
    if kind == "tcp" and colon:
        return _tcp(text, rest)
    raise ValueError(f'"{text}" is no source of scans; give {SOURCE_FORMS}')


_EXAMPLES: Final = {"evdev": "evdev:/dev/input/by-id/usb-Scanner-event-kbd", "serial": "serial:/dev/ttyACM0@115200"}


def parse_sources(texts: Sequence[str]) -> list[Input]:
    """Read the names of several sources; ValueError, too, when there is none or one is named twice."""
    if not texts:
        raise ValueError(f"no source of scans; give {SOURCE_FORMS}")
    twice = next((text for place, text in enumerate(texts) if text in texts[:place]), None)
    if twice is not None:
        raise ValueError(f'source "{twice}" is given twice')
    return [parse_source(text) for text in texts]


def _serial(text: str, rest: str) -> Input:
    match = _SERIAL.fullmatch(rest)
    baud = DEFAULT_BAUD if match is None or match["baud"] is None else int(match["baud"])
    if match is None or baud not in BAUDS or baud == 0:
        known = ", ".join(str(speed) for speed in sorted(BAUDS) if speed)
        raise ValueError(f'source "{text}": {baud} is no speed of a serial line; give one of {known}')
    return serial_input(Path(match["path"]), baud)


def _tcp(text: str, rest: str) -> Input:
    match = _ADDRESS.fullmatch(rest)
    if match is None or int(match["port"]) > _MAX_PORT:
        raise ValueError(
            f'source "{text}" needs a host and a port, such as tcp:127.0.0.1:7001 or tcp:[::1]:7001;'
            " the host is the address of this machine to listen on"
        )
    return TcpInput(match["six"] or match["host"], int(match["port"]))
