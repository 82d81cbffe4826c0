"""What a worker counts of its commands, look-ups and requests, for Prometheus.

What the ledger and the limits hold, whichever process brought it there, is shown by `stockrelay metrics`.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from tasks.metrics import REGISTRY

#: From a scan that is applied at once to one that waited out a night's maintenance.
_WAIT_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400)
_REQUEST_SECONDS: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_COMMIT_SECONDS: Final = (0.5, 1, 2, 4, 8, 15, 30, 45, 60, 120, 300)
#: Sends of one command; the budget ends at twelve by default.
_ATTEMPTS: Final = (1, 2, 3, 4, 6, 8, 12)

COMMANDS_ENDED: Final = Counter(
    "stockrelay_commands_ended",
    "Commands that this process ended, by kind and state.",
    ["vendor", "kind", "state"],
    registry=REGISTRY,
)
APPLIED_SECONDS: Final = Histogram(
    "stockrelay_command_applied_seconds",
    "Time from a command's acceptance to its being applied.",
    ["vendor"],
    buckets=_WAIT_SECONDS,
    registry=REGISTRY,
)
ATTEMPTS: Final = Histogram(
    "stockrelay_command_attempts",
    "Attempts that an ended command took.",
    ["vendor"],
    buckets=_ATTEMPTS,
    registry=REGISTRY,
)
DELIVERIES: Final = Counter(
    "stockrelay_deliveries",
    "Deliveries that this process ran, by what came of each.",
    ["vendor", "outcome"],
    registry=REGISTRY,
)
LOOKUPS: Final = Counter(
    "stockrelay_lookups",
    "Look-ups of writes in doubt, by verdict.",
    ["vendor", "verdict"],
    registry=REGISTRY,
)
LATE_COMMIT_SECONDS: Final = Histogram(
    "stockrelay_late_commit_seconds",
    "Writes that a look-up did not show and a later one did: for how long at least they were not there.",
    ["vendor"],
    buckets=_COMMIT_SECONDS,
    registry=REGISTRY,
)
SETTLE_SECONDS: Final = Gauge(
    "stockrelay_settle_seconds",
    "Within this time the vendor is assumed to commit what was sent.",
    ["vendor"],
    registry=REGISTRY,
)
REQUESTS: Final = Counter(
    "stockrelay_vendor_requests",
    "Requests to the vendor, by method and status; status none for no answer.",
    ["vendor", "method", "status"],
    registry=REGISTRY,
)
REQUEST_SECONDS: Final = Histogram(
    "stockrelay_vendor_request_seconds",
    "How long requests to the vendor took.",
    ["vendor"],
    buckets=_REQUEST_SECONDS,
    registry=REGISTRY,
)
PAUSES: Final = Counter(
    "stockrelay_vendor_pauses",
    "Pauses of the vendor that this process began.",
    ["vendor"],
    registry=REGISTRY,
)
RECOVERED: Final = Counter(
    "stockrelay_commands_recovered",
    "Commands that this process brought back: lease for one whose worker was gone, hint for a lost message.",
    ["vendor", "by"],
    registry=REGISTRY,
)


def begin(vendor: str, settle_seconds: float) -> None:
    """Show a served vendor's numbers from the start: a first increase is one only if there was a 0 before it."""
    SETTLE_SECONDS.labels(vendor).set(settle_seconds)
    for each in (APPLIED_SECONDS, ATTEMPTS, LATE_COMMIT_SECONDS, REQUEST_SECONDS, PAUSES):
        each.labels(vendor)
    for by in ("lease", "hint"):
        RECOVERED.labels(vendor, by)
