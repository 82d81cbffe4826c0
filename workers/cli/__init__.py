"""`stockrelay`: what an operator sees and decides, from the command line."""

from __future__ import annotations

import errno
import sys
from typing import Any, Final

import click

from tasks.endings import drop_output
from workers.cli.dead_letters import dead_letters
from workers.cli.directory import directory
from workers.cli.doctor import doctor
from workers.cli.limits import limits, pause, resume
from workers.cli.metrics import metrics
from workers.cli.reconcile import reconcile
from workers.cli.records import cancel, show
from workers.cli.status import check, status
from workers.cli.submit import submit

__all__ = ["main"]

#: A closed pipe is none of them: it means that its reader has seen enough.
_OUTPUT_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class _Program(click.Group):
    """The program, which says so when nobody can read what it did."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            done = super().invoke(ctx)
            sys.stdout.flush()
        except OSError as error:
            if error.errno not in _OUTPUT_ERRORS:
                raise
            drop_output()
            told = f"the output cannot be written: {error.strerror}; it may be done: look before you ask again"
            raise click.ClickException(told) from None
        return done


@click.group(name="stockrelay", cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--check",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=check,
    help="Check the settings and how durable Redis is, and exit.",
)
@click.version_option(package_name="stockrelay")
def main() -> None:
    """See and steer what Stockrelay does: commands, dead letters, limits. Redis is found by REDIS_URL.

    Exit codes: 0 done, 1 not found or refused, 2 wrong usage or settings, 75 Redis cannot be reached, try later.
    """


for _command in (
    status,
    doctor,
    metrics,
    submit,
    show,
    cancel,
    dead_letters,
    limits,
    pause,
    resume,
    directory,
    reconcile,
):
    main.add_command(_command)
