"""`stockrelay-files`: watches the folders of feeds until told to stop, tries a file, shows what became of files."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import click

from producers.exits import EXIT_USAGE
from producers.files.feeds import FeedsError
from producers.files.folders import FolderError
from producers.files.leases import ignore_lease_breaks
from producers.files.running import Opened, serve
from producers.files.tools import TOOLS
from producers.outbox import OutboxError
from producers.settings import FILES_PREFIX
from tasks.settings import SettingsError
from tasks.telemetry import configure_logging

if TYPE_CHECKING:
    from producers.files.feeds import Feed


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="stockrelay")
def main() -> None:
    """Turn the rows of dropped files into commands."""


@main.command()
@click.option("--check", "only_check", is_flag=True, help="Check settings and feeds and exit: 0 good, 2 not.")
@click.option("--once", is_flag=True, help="Process what is there, hand it over, and exit.")
def run(*, only_check: bool, once: bool) -> None:
    """Watch the feeds until told to stop.

    Settings: REDIS_URL, STOCKRELAY_FILES_CONFIG (the TOML file with [feeds.…]) and STOCKRELAY_FILES_OUTBOX. With --once
    the exit code is 1 when a file failed, and 75 when rows still wait for Redis.
    """
    try:
        opened = Opened.from_environment(os.environ)
    except (SettingsError, FeedsError) as error:
        _stop(error)
    if only_check:
        for feed in opened.feeds:
            click.echo(_shown(feed))
        click.echo("settings are good" if opened.feeds else f"settings are good; {FILES_PREFIX}CONFIG names no feed")
        return
    configure_logging()
    # it counts the events of a folder
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    ignore_lease_breaks()
    try:
        sys.exit(serve(opened, once=once))
    except (SettingsError, FolderError, OutboxError) as error:
        _stop(error)


@main.command()
def feeds() -> None:
    """List the feeds: their folder, pattern, format, and the command that a row becomes."""
    try:
        opened = Opened.from_environment(os.environ)
    except (SettingsError, FeedsError) as error:
        _stop(error)
    for feed in opened.feeds:
        click.echo(_shown(feed))


def _shown(feed: Feed) -> str:
    return f"{feed.name}: {feed.path}/in/{feed.pattern} ({feed.format}) -> {feed.kind}, {feed.policy}"


def _stop(error: Exception) -> None:
    click.echo(f"stockrelay-files: {error}", err=True)
    sys.exit(EXIT_USAGE)


for _tool in TOOLS:
    main.add_command(_tool)

if __name__ == "__main__":
    main()
