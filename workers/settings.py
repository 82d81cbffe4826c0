"""The worker's settings, read from the environment once per process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from tasks.settings import PROJECT_PREFIX, LedgerSettings, SettingsError, read_environment, redis_url
from workers.limits import LimitPolicy, Rate
from workers.vendors.access import check_address, check_partsbox_key

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Longer than every pause between two renewals and any garbage collection; a SIGKILLed worker's commands wait it out.
LEASE_SECONDS: Final = 15.0


def _parse_rates(value: Any) -> Any:
    return tuple(Rate.parse(part.strip()) for part in value.split(",")) if isinstance(value, str) else value


def _checked_address(address: str) -> str:
    check_address(address)
    return address


class WorkerSettings(BaseModel):
    """Settings of a worker process (`STOCKRELAY_WORKER_…`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lease_seconds: float = Field(default=LEASE_SECONDS, ge=1, le=600)


class PartsBoxSettings(BaseModel):
    """Settings of the vendor PartsBox (`STOCKRELAY_PARTSBOX_…`); the limits are the vendor reference's defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    url: Annotated[str, AfterValidator(_checked_address)] = "https://api.partsbox.com/api/1"
    api_key: SecretStr
    #: The name that PartsBox shows for our API user; left out, every unmarked entry like ours may be ours.
    user: str | None = None
    rates: Annotated[tuple[Rate, ...], BeforeValidator(_parse_rates)] = (Rate(2, 1.0, 5),)
    concurrency: int = Field(default=4, ge=1, le=1000)
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    settle_seconds: float = Field(default=60.0, ge=0, le=3600)

    def limit_policy(self) -> LimitPolicy:
        """Give the limits; a slot outlives the longest request and the settle time behind it."""
        return LimitPolicy(self.rates, self.concurrency, self.timeout_seconds + self.settle_seconds + 5)


class Settings(BaseModel):
    """Everything a worker process is told."""

    model_config = ConfigDict(frozen=True)

    redis_url: str
    ledger: LedgerSettings
    worker: WorkerSettings
    #: None when the vendor has no key: this process cannot serve it.
    partsbox: PartsBoxSettings | None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read all settings; raises SettingsError naming the variable at fault."""
        prefix = f"{PROJECT_PREFIX}PARTSBOX_"
        # without a key its other settings must be right all the same
        configured = prefix + "API_KEY" in environ or prefix + "API_KEY_FILE" in environ
        keyless = {} if configured else {prefix + "API_KEY": ""}
        partsbox = read_environment(PartsBoxSettings, prefix, {**environ, **keyless})
        if configured:
            _check_key(prefix + "API_KEY", partsbox.api_key)
        return cls(
            redis_url=redis_url(environ),
            ledger=read_environment(LedgerSettings, f"{PROJECT_PREFIX}LEDGER_", environ),
            worker=read_environment(WorkerSettings, f"{PROJECT_PREFIX}WORKER_", environ),
            partsbox=partsbox if configured else None,
        )

    def served(self, vendor: str) -> PartsBoxSettings:
        """Give the settings of a vendor that is to be served; SettingsError when it has no key."""
        if vendor != "partsbox" or self.partsbox is None:
            raise SettingsError(f"{PROJECT_PREFIX}{vendor.upper()}_API_KEY: missing; this worker is to serve {vendor}")
        return self.partsbox


def _check_key(name: str, key: SecretStr) -> None:
    try:
        check_partsbox_key(key.get_secret_value())
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from None


__all__ = ["PartsBoxSettings", "Settings", "SettingsError", "WorkerSettings"]
