"""The worker's settings, read from the environment once per process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tasks.routes import ROUTING, Routes
from tasks.settings import (
    PROJECT_PREFIX,
    LedgerSettings,
    SettingsError,
    read_environment,
    redis_url,
    routes_from,
)
from workers.limits import LimitPolicy
from workers.reconciler_schedule import RECONCILE_AT, RECONCILE_DAYS, minutes_of
from workers.vendor_settings import (
    VENDOR_SETTINGS,
    OpenBomSettings,
    PartBoltSettings,
    PartiumSettings,
    PartsBoxSettings,
    VendorSettings,
)

#: Longer than every pause between two renewals and any garbage collection; a SIGKILLed worker's commands wait it out.
LEASE_SECONDS: Final = 15.0
#: No vendor is called; an operator can pause it all the same.
ROUTING_POLICY: Final = LimitPolicy((), 1000, 60.0)


def _checked_time(text: str) -> str:
    minutes_of(text)
    return text


TimeOfDay = Annotated[str, AfterValidator(_checked_time)]


class WorkerSettings(BaseModel):
    """Settings of a worker process (`STOCKRELAY_WORKER_…`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lease_seconds: float = Field(default=LEASE_SECONDS, ge=1, le=600)
    #: When each vendor is compared with its ledger, every day: a time in UTC, or off.
    reconcile_at: TimeOfDay = RECONCILE_AT
    #: How far back each time; further where the last one is longer ago.
    reconcile_days: float = Field(default=RECONCILE_DAYS, gt=0, le=366)


class Settings(BaseModel):
    """Everything a worker process is told."""

    model_config = ConfigDict(frozen=True)

    redis_url: str
    ledger: LedgerSettings
    worker: WorkerSettings
    routes: Routes
    #: The vendors that have their secrets here; this process can serve no other.
    vendors: Mapping[str, VendorSettings]

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read all settings; raises SettingsError naming the variable at fault."""
        found = {vendor: _read_vendor(vendor, model, environ) for vendor, model in VENDOR_SETTINGS.items()}
        return cls(
            redis_url=redis_url(environ),
            ledger=read_environment(LedgerSettings, f"{PROJECT_PREFIX}LEDGER_", environ),
            worker=read_environment(WorkerSettings, f"{PROJECT_PREFIX}WORKER_", environ),
            routes=routes_from(environ),
            vendors={vendor: chosen for vendor, chosen in found.items() if chosen is not None},
        )

    def served(self, vendor: str) -> VendorSettings:
        """Give the settings of a vendor that is to be served; SettingsError when it has no secrets."""
        if vendor not in self.vendors:
            names = " and ".join(_name(vendor, secret) for secret in VENDOR_SETTINGS[vendor].secrets)
            raise SettingsError(f"{names}: missing; this worker is to serve {vendor}")
        return self.vendors[vendor]


def limit_policy(vendor: str, environ: Mapping[str, str]) -> LimitPolicy:
    """Read a vendor's limits without its secrets; raises SettingsError.

    They can be shown and changed where nobody has the secrets, and a secret that is not read cannot leak.
    """
    return ROUTING_POLICY if vendor == ROUTING else keyless_settings(vendor, environ).limit_policy()


def keyless_settings(vendor: str, environ: Mapping[str, str]) -> VendorSettings:
    """Read a vendor's settings without its secrets, which read "not read"; raises SettingsError."""
    model = VENDOR_SETTINGS[vendor]
    names = tuple(_name(vendor, secret) for secret in model.secrets)
    keyless = {name: text for name, text in environ.items() if not name.startswith(names)}
    return read_environment(model, _name(vendor, ""), {**keyless, **dict.fromkeys(names, "not read")})


def _name(vendor: str, field: str) -> str:
    return f"{PROJECT_PREFIX}{vendor.upper()}_{field.upper()}"


def _read_vendor(vendor: str, model: type[VendorSettings], environ: Mapping[str, str]) -> VendorSettings | None:
    given = {secret: _given(_name(vendor, secret), environ) for secret in model.secrets}
    # without a secret its other settings must be right all the same
    keyless = {} if any(given.values()) else {_name(vendor, secret): "" for secret in model.secrets}
    chosen = read_environment(model, _name(vendor, ""), {**environ, **keyless})
    if not any(given.values()):
        return None
    for secret, check in model.secrets.items():
        try:
            check(getattr(chosen, secret).get_secret_value())
        except ValueError as error:
            raise SettingsError(f"{_name(vendor, secret)}: {error}") from None
    return chosen


def _given(name: str, environ: Mapping[str, str]) -> bool:
    return name in environ or f"{name}_FILE" in environ


__all__ = [
    "OpenBomSettings",
    "PartBoltSettings",
    "PartiumSettings",
    "PartsBoxSettings",
    "Settings",
    "SettingsError",
    "WorkerSettings",
]
