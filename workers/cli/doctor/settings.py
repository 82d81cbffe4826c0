"""Settings that are wrong, dangerous, or contradict one another. Nothing is asked of anybody."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tasks.routes import ROUTING
from tasks.settings import (
    METRICS_PREFIX,
    PROJECT_PREFIX,
    LedgerSettings,
    MetricsSettings,
    read_environment,
    routes_from,
)
from workers.cli.doctor.findings import Finding, good, warning, wrong
from workers.settings import LEASE_SECONDS, Settings, SettingsError, WorkerSettings, keyless_settings
from workers.vendor_settings import VENDOR_SETTINGS, PartsBoxSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from workers.limits import LimitSnapshot, Rate
    from workers.vendor_settings import VendorSettings

#: How long outboxes keep what was delivered, and so may hand it over again.
OUTBOX_DAYS: Final = 30
#: A vendor's slow commit takes seconds.
SHORT_SETTLE_SECONDS: Final = 10.0
#: A pause of a busy machine, for instance to flush a disk.
SHORT_LEASE_SECONDS: Final = 5.0
#: As docker-compose.yml has it: a worker that stops waits for its requests.
STOP_GRACE_SECONDS: Final = 45.0
#: What a vendor's documents allow at once (docs/vendors.md).
DOCUMENTED_CONCURRENCY: Final = {"openbom": 5}


def own_environment(environ: Mapping[str, str], *parts: str) -> dict[str, str]:
    """Give the settings of these parts alone, so that a wrong one elsewhere hides nothing."""
    prefixes = tuple(f"{PROJECT_PREFIX}{part.upper()}_" for part in parts)
    return {name: text for name, text in environ.items() if name.startswith(prefixes)}


def read_vendor(vendor: str, environ: Mapping[str, str]) -> VendorSettings | None:
    """Read one vendor's settings, its secrets too; None without any secret. Raises SettingsError."""
    return Settings.from_environment(own_environment(environ, vendor)).vendors.get(vendor)


async def check_settings(environ: Mapping[str, str]) -> Sequence[Finding]:
    """Read every setting as the programs do."""
    found: list[Finding] = []
    parts = ("LEDGER", "WORKER", "ROUTING", *(vendor.upper() for vendor in VENDOR_SETTINGS))
    reads: list[Callable[[], object]] = [
        *(partial(Settings.from_environment, own_environment(environ, part)) for part in parts),
        partial(read_environment, MetricsSettings, METRICS_PREFIX, own_environment(environ, "METRICS")),
        # a name under no prefix that there is; what is wrong with the ledger's own was told above
        partial(read_environment, LedgerSettings, f"{PROJECT_PREFIX}LEDGER_", environ),
    ]
    for read in reads:
        try:
            read()
        except SettingsError as error:
            told = wrong("settings", str(error), "correct it: no program that reads it starts with it")
            found += [told] if told not in found else []
    return found or [good("settings", "can all be read")]


async def check_worker(environ: Mapping[str, str]) -> Sequence[Finding]:
    """Judge what holds for all vendors."""
    try:
        ledger = read_environment(LedgerSettings, f"{PROJECT_PREFIX}LEDGER_", own_environment(environ, "LEDGER"))
        worker = read_environment(WorkerSettings, f"{PROJECT_PREFIX}WORKER_", own_environment(environ, "WORKER"))
    except SettingsError:
        return []
    return [*_ledger_findings(ledger, worker), *_worker_findings(worker)] or [good("worker", "no contradictions")]


def _ledger_findings(ledger: LedgerSettings, worker: WorkerSettings) -> Iterator[Finding]:
    about = "STOCKRELAY_LEDGER_RETENTION_DAYS"
    if ledger.retention_days < worker.reconcile_days:
        found = f"{ledger.retention_days:g} days, shorter than RECONCILE_DAYS ({worker.reconcile_days:g})"
        yield wrong(about, found, "make it longer: what is forgotten is reported as foreign")
    elif ledger.retention_days < OUTBOX_DAYS:
        found = f"{ledger.retention_days:g} days; outboxes keep {OUTBOX_DAYS}"
        yield warning(about, found, f"use {OUTBOX_DAYS} or more: what comes again later counts as new")
    if ledger.allow_weak_redis:
        found = "1: a server that may lose accepted commands is taken"
        yield warning("STOCKRELAY_LEDGER_ALLOW_WEAK_REDIS", found, "take it out where commands matter")


def _worker_findings(worker: WorkerSettings) -> Iterator[Finding]:
    if worker.lease_seconds < SHORT_LEASE_SECONDS:
        found = f"{worker.lease_seconds:g} s: a busy machine pauses longer"
        advice = f"use {LEASE_SECONDS:g}: a lease that ends under way is looked up by another worker"
        yield warning("STOCKRELAY_WORKER_LEASE_SECONDS", found, advice)
    if worker.reconcile_at == "off":
        found = "off: nobody compares the ledger with the vendors"
        advice = "give a time such as 02:30: it is what finds a write that was committed too late"
        yield warning("STOCKRELAY_WORKER_RECONCILE_AT", found, advice)


async def check_routes(environ: Mapping[str, str]) -> Sequence[Finding]:
    """Read the routes file, if one is named."""
    if f"{PROJECT_PREFIX}ROUTING_CONFIG" not in environ:
        return [good(ROUTING, "no routes file is named: nothing is routed or imported")]
    try:
        routes_from(own_environment(environ, "ROUTING"))
    except SettingsError:
        return []  # told among the settings
    return [good(ROUTING, "the routes file can be read")]


async def check_limits(vendor: str, environ: Mapping[str, str]) -> Sequence[Finding]:
    """Judge a vendor's limits, without its secrets, where it has settings."""
    own = own_environment(environ, vendor)
    if not own:
        return []
    try:
        chosen = keyless_settings(vendor, own)
    except SettingsError:
        return []  # told among the settings
    return [*_vendor_findings(vendor, chosen)] or [good(f"{vendor} limits", "no contradictions")]


def _vendor_findings(vendor: str, chosen: VendorSettings) -> Iterator[Finding]:
    name = f"{PROJECT_PREFIX}{vendor.upper()}_"
    if chosen.settle_seconds < SHORT_SETTLE_SECONDS:
        found = f"{chosen.settle_seconds:g} s: a write whose answer was lost is called absent after that"
        advice = "give the vendor's longest commit and a margin (60): what is committed later is doubled"
        yield (warning if chosen.settle_seconds else wrong)(f"{name}SETTLE_SECONDS", found, advice)
    if chosen.timeout_seconds >= STOP_GRACE_SECONDS:
        found = f"{chosen.timeout_seconds:g} s, longer than a worker has to stop ({STOP_GRACE_SECONDS:g} s)"
        yield warning(f"{name}TIMEOUT_SECONDS", found, "make it shorter, or stop_grace_period longer")
    default: tuple[Rate, ...] = VENDOR_SETTINGS[vendor].model_fields["rates"].default
    if faster(chosen.rates, default):
        found = f"{_written(chosen.rates)}, faster than {_written(default)}"
        yield warning(f"{name}RATES", found, "only with the vendor's word: it may refuse or close the account")
    if isinstance(chosen, PartsBoxSettings) and chosen.user is None:
        found = "not set: an entry that lost its mark cannot be told from a colleague's"
        yield warning(f"{name}USER", found, "give the name that the vendor shows for our API user")


def judge_live(vendor: str, found: LimitSnapshot, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Judge limits that were changed while everything ran: they override every process's settings."""
    about = f"{vendor} live limits"
    most = DOCUMENTED_CONCURRENCY.get(vendor)
    if most is not None and found.concurrency > most:
        advice = f"`stockrelay limits {vendor} --concurrency {most}`: the vendor refuses more"
        yield wrong(about, f"{found.concurrency} requests at once; the vendor's document allows {most}", advice)
    try:
        chosen = keyless_settings(vendor, own_environment(environ, vendor)) if vendor != ROUTING else None
    except SettingsError:
        return
    if found.live and chosen is not None and (found.rates, found.concurrency) != (chosen.rates, chosen.concurrency):
        in_force = f"{_written(found.rates)}, {found.concurrency} at once"
        set_here = f"{_written(chosen.rates)}, {chosen.concurrency}"
        advice = f"`stockrelay limits {vendor} --reset` goes back to the settings"
        yield warning(about, f"{in_force} were set by an operator; the settings here say {set_here}", advice)


def faster(rates: Sequence[Rate], than: Sequence[Rate]) -> bool:
    """Tell whether rates allow more in the long run."""
    return _per_second(rates) > _per_second(than)


def _per_second(rates: Sequence[Rate]) -> float:
    return min((rate.limit / rate.period_seconds for rate in rates), default=float("inf"))


def _written(rates: Sequence[Rate]) -> str:
    return ",".join(map(str, rates)) or "no rate"
