"""What the producers read from the environment, each process once, into frozen models."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
)

from producers.scanner.commands import PREFIX, checked_prefix
from producers.scanner.inputs import parse_sources
from producers.scanner.labels import DEFAULT_PATTERN, compile_pattern
from producers.scanner.modes import BOUNCE_MS, REPEAT_SECONDS
from producers.scanner.sounds import checked_sound
from producers.tokens import CLIENT_NAME, ClientToken, checked_token, parse_tokens

WEBHOOKS_PREFIX: Final = "STOCKRELAY_WEBHOOKS_"
STATION_PREFIX: Final = "STOCKRELAY_STATION_"
FILES_PREFIX: Final = "STOCKRELAY_FILES_"


def _as_tokens(value: object) -> object:
    return parse_tokens(value) if isinstance(value, str) else value


def _as_token(value: object) -> object:
    return checked_token(value.strip()) if isinstance(value, str) else value


def _listed(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))


def _as_origins(value: object) -> object:
    """Read origins as a browser writes them: scheme, host and port, nothing behind."""
    if not isinstance(value, str):
        return value
    origins = _listed(value)
    for place, origin in enumerate(origins, start=1):
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}":
            raise ValueError(f"entry {place}: is not an origin like https://app.example")
        if "@" in parts.netloc or origin != origin.lower():
            raise ValueError(f"entry {place}: a browser would never send it; write it in lower case, without a user")
    return origins


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


def _as_sources(value: object) -> object:
    if not isinstance(value, str):
        return value
    sources = _listed(value)
    parse_sources(sources)
    return sources


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class WebhookSettings(_Settings):
    """Settings of `stockrelay-webhooks` (`STOCKRELAY_WEBHOOKS_…`)."""

    #: Loopback: other machines come through a proxy that speaks TLS.
    host: Annotated[str, AfterValidator(_named_host)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    #: `client:token` or `client:token:roles`, separated by commas or line ends; see `producers.tokens`.
    tokens: Annotated[tuple[ClientToken, ...], BeforeValidator(_as_tokens)]
    #: The TOML file whose `[sources.…]` say which webhooks are taken; without it there are none.
    config: Path | None = None
    #: What was accepted while Redis was away; each process needs its own, on a disk that outlives the process.
    spool: Path = Path("var/spool/webhooks.sqlite3")
    #: Beyond it requests are answered 503: half a million commands.
    spool_max_mib: Annotated[int, Field(gt=0, le=1_048_576)] = 1024
    #: How long the first moment of a webhook's event is kept: longer than any sender retries, and never under a week.
    first_seen_days: Annotated[float, Field(ge=7, le=3650)] = 30.0
    #: Of each client and each source; 0 is without a limit.
    requests_per_minute: Annotated[int, Field(ge=0, le=10_000_000)] = 6000
    #: Pages of these origins may ask here from a browser, separated by commas.
    cors_origins: Annotated[tuple[str, ...], BeforeValidator(_as_origins)] = ()


class StationSettings(_Settings):
    """Settings of `stockrelay-station` (`STOCKRELAY_STATION_…`)."""

    #: Also the `source` of its commands, so the relay's token must be this client's.
    id: Annotated[str, StringConstraints(pattern=rf"^{CLIENT_NAME.pattern}$")]
    deliver_url: Annotated[str, AfterValidator(_safe_address)]
    token: Annotated[SecretStr, BeforeValidator(_as_token)]
    #: None: `var/outbox/<id>.sqlite3` in the working folder.
    outbox: Path | None = None
    #: Where scans come from, separated by commas; on the command line `--input` is given for each.
    input: Annotated[tuple[str, ...], BeforeValidator(_as_sources), Field(min_length=1)] = ("stdin",)
    code_pattern: Annotated[str, AfterValidator(_checked_pattern)] = DEFAULT_PATTERN
    #: What every code on the printed sheet begins with.
    command_prefix: Annotated[str, AfterValidator(checked_prefix)] = PREFIX
    #: `bell`, `none`, or `cmd:` and a program, which gets stored, refused, confirm, expired or late as last word.
    sound: Annotated[str, AfterValidator(checked_sound)] = "bell"
    #: The same raw scan again within this time counts once.
    bounce_seconds: Annotated[float, Field(ge=0, le=10)] = BOUNCE_MS / 1000
    #: The same label again within this time is asked about.
    repeat_seconds: Annotated[float, Field(ge=0, le=3600)] = REPEAT_SECONDS


class FilesSettings(_Settings):
    """Settings of `stockrelay-files` (`STOCKRELAY_FILES_…`)."""

    #: The TOML file whose `[feeds.…]` say which folders are watched; without it there are none.
    config: Path | None = None
    #: The files' ledger, and the rows that Redis has not taken yet, on a disk that outlives the process.
    outbox: Path = Path("var/outbox/files.sqlite3")
