"""Reading the environment once per process into frozen models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.ledger import RETENTION_DAYS
from tasks.redis_client import check_address
from tasks.routes import Routes, RoutesError, read_routes

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT_PREFIX: Final = "STOCKRELAY_"
METRICS_PREFIX: Final = f"{PROJECT_PREFIX}METRICS_"
#: Whose settings there are.
VENDORS: Final = ("PARTSBOX", "PARTIUM", "OPENBOM", "PARTBOLT")
#: Of every program there is: a name under none of these is a typing mistake, whichever program reads it.
KNOWN_PREFIXES: Final = tuple(
    f"{PROJECT_PREFIX}{part}_"
    for part in ("LEDGER", "METRICS", "ROUTING", "WORKER", *VENDORS, "WEBHOOKS", "STATION", "FILES")
)
M = TypeVar("M", bound=BaseModel)


class SettingsError(ValueError):
    """A setting is missing, unknown or wrong; the text names the variable and never its secret value."""


def read_environment(model: type[M], prefix: str, environ: Mapping[str, str]) -> M:
    """Read every field of the model from `<prefix><FIELD>` or, for secrets, the file named by `<prefix><FIELD>_FILE`.

    Raises SettingsError for an unknown variable under the prefix, one under no known prefix, an unreadable file or a
    wrong value.
    """
    _refuse_unknown_prefix(prefix, environ)
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.startswith(prefix):
            continue
        field = name.removeprefix(prefix).lower()
        if field in model.model_fields:
            values.setdefault(field, text)
        elif field.endswith("_file") and field.removesuffix("_file") in model.model_fields:
            if name.removesuffix("_FILE") in environ:
                raise SettingsError(f"{name}: given together with {name.removesuffix('_FILE')}; keep one")
            values[field.removesuffix("_file")] = _read(name, text)
        else:
            known = ", ".join(prefix + known.upper() for known in model.model_fields)
            raise SettingsError(f"{name}: unknown; known are {known}")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = prefix + "_".join(str(step) for step in first["loc"][:1]).upper()
        raise SettingsError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


def _refuse_unknown_prefix(prefix: str, environ: Mapping[str, str]) -> None:
    for name in environ:
        if name.startswith(PROJECT_PREFIX) and not name.startswith((prefix, *KNOWN_PREFIXES)):
            known = ", ".join(f"{known}…" for known in KNOWN_PREFIXES)
            raise SettingsError(f"{name}: unknown; known are {known}")


def _read(name: str, path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise SettingsError(f"{name}: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        # from None: the error holds the file's bytes, which are the secret
        raise SettingsError(f"{name}: {path} is not UTF-8 text") from None


class LedgerSettings(BaseModel):
    """Settings of the ledger (`STOCKRELAY_LEDGER_…`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: How long a finished command is remembered and its key recognised; longer than any spool or replay.
    retention_days: float = Field(default=RETENTION_DAYS, gt=0, le=3650)
    #: 1 starts even when Redis would lose accepted commands; the start then warns instead of refusing.
    allow_weak_redis: bool = False


class MetricsSettings(BaseModel):
    """Settings of the numbers' port (`STOCKRELAY_METRICS_…`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Loopback: the numbers need no login. Beyond it they belong into a network that only Prometheus reaches.
    host: str = Field(min_length=1, default="127.0.0.1")
    #: None serves nothing. Each process of a machine needs its own.
    port: int | None = Field(default=None, ge=1, le=65_535)


class RoutingSettings(BaseModel):
    """Settings of routing (`STOCKRELAY_ROUTING_…`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: The TOML file that says which vendors a catalog part goes to, and how another vendor's part becomes one.
    config: Path | None = None


def routes_from(environ: Mapping[str, str]) -> Routes:
    """Read the routes file that the environment names; SettingsError naming the place that is wrong."""
    try:
        return read_routes(read_environment(RoutingSettings, f"{PROJECT_PREFIX}ROUTING_", environ).config)
    except RoutesError as error:
        raise SettingsError(f"{PROJECT_PREFIX}ROUTING_CONFIG: {error}") from None


def redis_url(environ: Mapping[str, str]) -> str:
    """Read REDIS_URL, or the file that REDIS_URL_FILE names; loopback when neither is set.

    SettingsError, which quotes none of it, when it is no address or both are set.
    """
    name, url = "REDIS_URL", environ.get("REDIS_URL") or ""
    if path := environ.get("REDIS_URL_FILE"):
        if url:
            raise SettingsError("REDIS_URL_FILE: given together with REDIS_URL; keep one")
        name, url = "REDIS_URL_FILE", _read("REDIS_URL_FILE", path)
    elif not url:
        return "redis://127.0.0.1:6379/0"
    try:
        check_address(url)
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from None
    return url
