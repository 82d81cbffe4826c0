"""Taking the pictures: a terminal's as SVG, a page's as PNG."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from fcntl import ioctl
from typing import TYPE_CHECKING, Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

COLUMNS, ROWS = 112, 34
#: Each frame begins at the upper left.
_HOME: Final = "\x1b[H"
#: What moves the cursor or switches the screen; colours stay.
_MOVES: Final = re.compile(r"\x1b\[[0-9;?]*[A-LN-Za-ln-z]")
#: The format of rich asks the network for its font.
_FORMAT: Final = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "Fira Code", "DejaVu Sans Mono"
)
_PATIENCE_SECONDS: Final = 60.0


def frame_with(words: Sequence[str], command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a program on a terminal until one of its frames has all these words; gives that one, colours included."""
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    terminal = {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
    program = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env={**environment, **terminal})
    os.close(slave)
    drawn, deadline = b"", time.monotonic() + _PATIENCE_SECONDS
    try:
        while True:
            if not select.select([master], [], [], max(0.0, deadline - time.monotonic()))[0]:
                seen = drawn.decode(errors="ignore").rpartition(_HOME)[2]
                raise TimeoutError(f"{command[0]} has drawn no frame with {', '.join(words)}; the last one:\n{seen}")
            drawn += os.read(master, 65_536)
            for frame in drawn.decode(errors="ignore").replace("\r\n", "\n").split(_HOME)[1:-1]:
                if all(word in Text.from_ansi(_MOVES.sub("", frame)).plain for word in words):
                    return frame
    finally:
        program.send_signal(signal.SIGINT)
        program.wait(_PATIENCE_SECONDS)
        os.close(master)


def draw_terminal(frame: str, title: str, path: Path) -> None:
    """Write a terminal's frame as SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(_MOVES.sub("", frame).rstrip() + "\n"))
    path.write_text(console.export_svg(title=title, code_format=_FORMAT, unique_id="stockrelay"), encoding="utf-8")
