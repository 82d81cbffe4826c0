"""How the producers' programs end: their exit codes, and the errors that carry them (design section 7)."""

from __future__ import annotations

from typing import Final

import click

EXIT_OK: Final = 0
EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2
#: EX_TEMPFAIL of sysexits.h: the same may be tried again.
EXIT_TRY_LATER: Final = 75


class UsageError(click.ClickException):
    """What was asked or configured cannot be used."""

    exit_code = EXIT_USAGE


class TryLaterError(click.ClickException):
    """What is needed is away; nothing is wrong with what was asked."""

    exit_code = EXIT_TRY_LATER
