"""`stockrelay`: what an operator sees and decides, from the command line."""

from __future__ import annotations

import click

from workers.cli.dead_letters import dead_letters
from workers.cli.directory import directory
from workers.cli.limits import limits, pause, resume
from workers.cli.reconcile import reconcile
from workers.cli.records import cancel, show
from workers.cli.status import check, status
from workers.cli.submit import submit

__all__ = ["main"]


@click.group(name="stockrelay", context_settings={"help_option_names": ["-h", "--help"]})
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


for _command in (status, submit, show, cancel, dead_letters, limits, pause, resume, directory, reconcile):
    main.add_command(_command)
