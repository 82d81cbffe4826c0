"""The arguments and options that several commands of the operator take."""

from __future__ import annotations

import getpass
import os
import re
from typing import TYPE_CHECKING, Final

import click

from tasks.identity import KEY_LENGTH
from tasks.registry import vendors

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: 30 bits: unambiguous among a month of commands, nearly always.
MIN_KEY_START: Final = 6
#: A name and a reason together are the reason of a pause, of which the limiter keeps 200 characters.
MAX_NAME: Final = 64
MAX_REASON: Final = 120
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
    return _words(text, MAX_NAME)


def reason_text(text: str) -> str:
    """Read a person's reason."""
    return _words(text, MAX_REASON)


def _words(text: str, longest: int) -> str:
    words = text.strip()
    if not words:
        raise click.BadParameter("is empty")
    if not words.isprintable():
        raise click.BadParameter("has control characters; give one line of plain text")
    if len(words) > longest:
        raise click.BadParameter(f"is longer than {longest} characters")
    return words


def login_name() -> str:
    """Name who runs this command; the user's number where the system has no name for it (containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


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


def json_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give the option for programs that read the answer."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
