"""The tools beside a station: sheets, checks of scanner and labels, a rehearsal, and a look into the outbox."""

from typing import Final

import click

from producers.scanner.tools.doctor import doctor
from producers.scanner.tools.outbox import outbox
from producers.scanner.tools.parse import parse
from producers.scanner.tools.sheet import sheet
from producers.scanner.tools.simulate import simulate

COMMANDS: Final[tuple[click.Command, ...]] = (sheet, doctor, parse, simulate, outbox)
