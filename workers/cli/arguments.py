"""The arguments and options that several commands of the operator take."""

from __future__ import annotations

import functools
import getpass
import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from tasks.dead_letter_records import Filter, LetterState
from tasks.identity import KEY_LENGTH
from tasks.people import person_name, reason_words
from tasks.registry import kinds, vendors
from tasks.submit import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: 30 bits: unambiguous among a month of commands, nearly always.
MIN_KEY_START: Final = 6
_UNIT_SECONDS: Final = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_SPAN: Final = re.compile(r"(\d{1,6})(s|min|h|d)")
_KEY: Final = re.compile(rf"(?:\[cmd:)?([a-z2-7]{{{MIN_KEY_START},{KEY_LENGTH}}})\]?")


def key_text(text: str) -> str:
    """Read a command's key, the start of one, or the marker `[cmd:…]` as it stands in a vendor's comment."""
    match = _KEY.fullmatch(text.strip().lower())
    if match is None:
        raise click.BadParameter(
            f"{text!r} is no key: {KEY_LENGTH} characters a-z and 2-7, or the first {MIN_KEY_START} or more of it"
        )
    return match.group(1)


def name_text(text: str) -> str:
    """Read a person's name."""
    return _words(text, person_name)


def reason_text(text: str) -> str:
    """Read a person's reason."""
    return _words(text, reason_words)


def _words(text: str, rule: Callable[[str], str]) -> str:
    try:
        return rule(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def moment_text(text: str) -> int:
    """Read a moment as UTC milliseconds: so long ago (90s, 30min, 6h, 2d), or a date with or without a time (UTC)."""
    ago = _SPAN.fullmatch(text.strip())
    if ago is not None:
        return now_ms() - int(ago[1]) * _UNIT_SECONDS[ago[2]] * 1000
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no moment: 90s, 30min, 6h or 2d ago, or a date such as 2026-11-20 or 2026-11-20T08:30"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def login_name() -> str:
    """Name who runs this command; the user's number where the system has no name for it (containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def revision_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--revision`, with which a decision is about the dead letter as it was seen."""
    return click.option(
        "--revision",
        metavar="REVISION",
        help="That of the dead letter as you saw it (`show`, `list --json`): refused when it has changed since.",
    )


def vendor_argument(*, required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give the argument that names a vendor."""
    metavar = "VENDOR" if required else "[VENDOR]"
    return click.argument("vendor", type=click.Choice(vendors()), required=required, metavar=metavar)


def key_argument() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give the argument that names a command."""
    return click.argument("key", type=key_text, metavar="KEY")


def by_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give the option that says who decided."""
    return click.option(
        "--by",
        type=name_text,
        metavar="NAME",
        default=login_name,
        show_default="your login name",
        help="Who decides; kept as evidence.",
    )


def filter_options(body: Callable[..., Any]) -> Callable[..., Any]:
    """Give the options that choose dead letters; they come to the command as one `wanted`."""
    names = ("vendor", "kind", "state", "reason", "text", "since_ms", "until_ms")

    @functools.wraps(body)
    def run(*args: Any, **options: Any) -> Any:
        given = {name: options.pop(name) for name in names}
        state = given.pop("state")
        return body(*args, wanted=Filter(**given, state=None if state is None else LetterState(state)), **options)

    for option in (
        click.option("--until", "until_ms", type=moment_text, metavar="MOMENT", help="That died before this moment."),
        click.option(
            "--since",
            "since_ms",
            type=moment_text,
            metavar="MOMENT",
            help="That died since: 90s, 30min, 6h or 2d ago, or a date such as 2026-11-20T08:30 (UTC).",
        ),
        click.option("--text", default="", metavar="TEXT", help="In the key, the summary, or the name of a lane."),
        click.option("--reason", default="", metavar="TEXT", help="In the reason."),
        click.option("--state", type=click.Choice([state.value for state in LetterState]), help="Only these."),
        click.option("--kind", type=click.Choice(kinds()), metavar="KIND", help="Only of this kind, like stock.add."),
        click.option("--vendor", type=click.Choice(vendors()), help="Only this vendor's."),
    ):
        run = option(run)
    return run


def json_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give the option for programs that read the answer."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
