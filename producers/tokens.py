"""Tokens of the clients of the webhooks server, and what each of them may do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic import SecretStr

#: Below this a token can be guessed; `openssl rand -base64 24` gives twice as many.
MIN_TOKEN_CHARACTERS: Final = 16
#: A client's name becomes the `source` of its commands; the colon separates it from its token.
CLIENT_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: The token characters of RFC 6750 section 2.1; no colon among them, so that roles may follow behind one.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")


class Role(StrEnum):
    """What a token is good for. No role holds another."""

    #: Hands commands over, and takes its own back.
    SUBMIT = "submit"
    #: Asks what became of commands, hears of its own, looks names up, reads the numbers.
    READ = "read"
    #: Sees all dead letters with their evidence and decides about them; asks about and takes back any command.
    OPERATE = "operate"


Roles = frozenset[Role]
#: A station's and a program's: whoever shall operate is told so.
DEFAULT_ROLES: Final[Roles] = frozenset({Role.SUBMIT, Role.READ})


@dataclass(frozen=True, slots=True)
class ClientToken:
    """One token, whose it is, and what it may do; a client may have several."""

    client: str
    token: SecretStr
    roles: Roles = DEFAULT_ROLES


def checked_token(token: str) -> SecretStr:
    """Read a token; ValueError says what is wrong with it and never shows it."""
    if len(token) < MIN_TOKEN_CHARACTERS:
        raise ValueError(f"shorter than {MIN_TOKEN_CHARACTERS} characters")
    if _TOKEN.fullmatch(token) is None:
        raise ValueError("holds characters other than letters, digits and . _ ~ + / - =")
    return SecretStr(token)


def parse_tokens(text: str) -> tuple[ClientToken, ...]:
    """Read `client:token` or `client:token:roles` entries, separated by commas or line ends.

    Roles are joined by `+`, as `read+operate`; without any they are `submit+read`. A client may have several tokens
    (rotation). ValueError names an entry by its place, never by its text, which may be a secret.
    """
    tokens: list[ClientToken] = []
    for place, entry in enumerate(filter(None, (part.strip() for part in re.split(r"[,\n]", text))), start=1):
        try:
            tokens.append(_parse_entry(entry))
        except ValueError as error:
            raise ValueError(f"entry {place}: {error}") from None
    if not tokens:
        raise ValueError("no token configured; give entries client:token")
    if len({each.token.get_secret_value() for each in tokens}) < len(tokens):
        raise ValueError("two entries have the same token; give each its own")
    return tuple(tokens)


def written(roles: Roles) -> str:
    """Write roles as an entry has them."""
    return "+".join(role for role in Role if role in roles)


def _parse_entry(entry: str) -> ClientToken:
    client, colon, rest = entry.partition(":")
    if not colon or CLIENT_NAME.fullmatch(client) is None:
        raise ValueError("is not client:token or client:token:roles")
    token, colon, roles = rest.partition(":")
    try:
        checked = checked_token(token)
    except ValueError as error:
        raise ValueError(f"the token is {error}") from None
    return ClientToken(client, checked, _parse_roles(roles) if colon else DEFAULT_ROLES)


def _parse_roles(text: str) -> Roles:
    names = text.split("+")
    # not shown: where a token has a colon by mistake, it would be the end of the token
    if not set(names) <= set(Role):
        raise ValueError(f"behind the second colon are roles: one or more of {', '.join(Role)}, joined by +")
    if len(set(names)) < len(names):
        raise ValueError("a role is given twice")
    return frozenset(map(Role, names))
