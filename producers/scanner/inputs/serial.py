"""Scanners on a serial line or USB-CDC: the terminal device in raw mode, so GS, RS and EOT arrive as they are."""

from __future__ import annotations

import fcntl
import os
import termios
import tty
from typing import TYPE_CHECKING, Final

from producers.scanner.inputs.device_file import LOOK_SECONDS, DeviceFile
from producers.scanner.inputs.silence import SILENCE_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from producers.scanner.inputs.arrivals import News

#: What most scanners are set to when they leave the factory; USB-CDC ignores it.
DEFAULT_BAUD: Final = 9_600
#: The speeds that POSIX and Linux name.
BAUDS: Final = {
    int(name[1:]): int(getattr(termios, name)) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()
}
#: Places in the list of tcgetattr(3).
_CFLAG, _ISPEED, _OSPEED = 2, 4, 5


class SerialDriver:
    """Opens a terminal device for ourselves alone: 8 data bits, no parity, no flow control, nothing interpreted."""

    def __init__(self, baud: int = DEFAULT_BAUD) -> None:
        self._speed = BAUDS[baud]

    def open(self, path: Path) -> int:
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._set_up(descriptor)
        except termios.error as error:
            os.close(descriptor)
            raise OSError(*error.args) from error
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def decode(self, data: bytes) -> list[bytes | News]:
        return [data]

    def forget(self) -> None:
        """Keep nothing between reads."""

    def _set_up(self, descriptor: int) -> None:
        tty.setraw(descriptor, termios.TCSANOW)
        attributes = termios.tcgetattr(descriptor)
        flow_and_hang_up = termios.CRTSCTS | termios.HUPCL | termios.CSTOPB
        attributes[_CFLAG] = (attributes[_CFLAG] | termios.CLOCAL | termios.CREAD) & ~flow_and_hang_up
        attributes[_ISPEED] = attributes[_OSPEED] = self._speed
        termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
        # A second reader would get every other character of a label.
        fcntl.ioctl(descriptor, termios.TIOCEXCL)


def serial_input(
    path: Path,
    baud: int = DEFAULT_BAUD,
    *,
    look_seconds: float = LOOK_SECONDS,
    silence_seconds: float = SILENCE_SECONDS,
) -> DeviceFile:
    """Read the scanner at this path for ever, at a speed in bits a second out of `BAUDS`."""
    return DeviceFile(
        f"serial:{path}", path, SerialDriver(baud), look_seconds=look_seconds, silence_seconds=silence_seconds
    )
