"""What the producers read from the environment, each process once, into frozen models."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, StringConstraints

from producers.scanner.codes import DEFAULT_PATTERN, compile_pattern

WEBHOOKS_PREFIX: Final = "STOCKRELAY_WEBHOOKS_"
STATION_PREFIX: Final = "STOCKRELAY_STATION_"
#: Below this a token can be guessed; `openssl rand -base64 24` gives twice as many.
MIN_TOKEN_CHARACTERS: Final = 16
#: The token characters of RFC 6750 section 2.1.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
#: A client's name becomes the `source` of its commands; the colon separates it from its token.
_CLIENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

ClientTokens = tuple[tuple[str, SecretStr], ...]


def _checked_token(token: str) -> SecretStr:
    if len(token) < MIN_TOKEN_CHARACTERS:
        raise ValueError(f"shorter than {MIN_TOKEN_CHARACTERS} characters")
    if _TOKEN.fullmatch(token) is None:
        raise ValueError("holds characters other than letters, digits and . _ ~ + / - =")
    return SecretStr(token)


def parse_tokens(text: str) -> ClientTokens:
    """Read `client:token` entries, separated by commas or line ends; a client may have several (rotation).

    ValueError names an entry by its place, never by its text, which may be a secret.
    """
    tokens: list[tuple[str, SecretStr]] = []
    for place, entry in enumerate(filter(None, (part.strip() for part in re.split(r"[,\n]", text))), start=1):
        client, colon, token = entry.partition(":")
        if not colon or _CLIENT.fullmatch(client) is None:
            raise ValueError(f"entry {place}: is not client:token")
        try:
            tokens.append((client, _checked_token(token)))
        except ValueError as error:
            raise ValueError(f"entry {place}: the token is {error}") from None
    if not tokens:
        raise ValueError("no token configured; give entries client:token")
    if len({token.get_secret_value() for _, token in tokens}) < len(tokens):
        raise ValueError("two entries have the same token; give each its own")
    return tuple(tokens)


def _as_tokens(value: object) -> object:
    return parse_tokens(value) if isinstance(value, str) else value


def _as_token(value: object) -> object:
    return _checked_token(value.strip()) if isinstance(value, str) else value


def _safe_address(url: str) -> str:
    """Refuse an address that would carry the token over the network in the clear."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not an http(s) address")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("has a user, a query or a fragment; give the plain address")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("must be https: the token would cross the network in the clear")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _named_host(host: str) -> str:
    if not host.strip():
        raise ValueError("is empty, which would be every address of this machine; name one, as 127.0.0.1 or 0.0.0.0")
    return host


def _checked_pattern(pattern: str) -> str:
    compile_pattern(pattern)
    return pattern


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class WebhookSettings(_Settings):
    """Settings of `stockrelay-webhooks` (`STOCKRELAY_WEBHOOKS_…`)."""

    #: Loopback: other machines come through a proxy that speaks TLS.
    host: Annotated[str, AfterValidator(_named_host)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    tokens: Annotated[ClientTokens, BeforeValidator(_as_tokens)]


class StationSettings(_Settings):
    """Settings of `stockrelay-station` (`STOCKRELAY_STATION_…`)."""

    #: Also the `source` of its commands, so the relay's token must be this client's.
    id: Annotated[str, StringConstraints(pattern=rf"^{_CLIENT.pattern}$")]
    deliver_url: Annotated[str, AfterValidator(_safe_address)]
    token: Annotated[SecretStr, BeforeValidator(_as_token)]
    #: None: `var/outbox/<id>.sqlite3` in the working folder.
    outbox: Path | None = None
    code_pattern: Annotated[str, AfterValidator(_checked_pattern)] = DEFAULT_PATTERN
