"""What to do next, as values from pure functions: the executor acts on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tasks.lookup import Absent, Finding, Landed, Undecidable, Why
from tasks.records import State

if TYPE_CHECKING:
    from random import Random

#: The first look comes this long after the connection closed; then each time has doubled.
FIRST_LOOK_SECONDS: Final = 0.5
#: Begins the reason of a held command that the vendor said yes to.
CONFIRMED_BUT: Final = "the vendor confirmed it, but"


@dataclass(frozen=True, slots=True)
class Budgets:
    """How often a command may fail, wait and be looked up in vain before a person decides. Three separate budgets."""

    #: Sends that certainly did not arrive; with the backoff below about a quarter of an hour.
    attempts: int = 12
    #: Times the vendor was closed or the turn too far away; a pause counts once, however long it lasts.
    waits: int = 10_000
    #: Look-ups without an answer; at the longest gap about a day and a half.
    failed_looks: int = 500
    first_backoff_seconds: float = 1.0
    longest_backoff_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Again:
    """Try again after so many seconds; `spent` says whether an attempt is used up."""

    seconds: float
    spent: bool


@dataclass(frozen=True, slots=True)
class LookAgain:
    """The outcome is still unknown: look after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SendAgain:
    """The write is proved absent and may be sent again."""


@dataclass(frozen=True, slots=True)
class End:
    """The command ends here."""

    state: State
    reason: str
    finding: Landed | Undecidable | None = None


def _backoff(count: int, budgets: Budgets, random: Random) -> float:
    """Wait twice as long each time, less up to half of it so that many failures do not return together."""
    ceiling = min(budgets.first_backoff_seconds * 2 ** min(count, 30), budgets.longest_backoff_seconds)
    return random.uniform(ceiling / 2, ceiling)


def after_failure(attempts: int, reason: str, budgets: Budgets, random: Random) -> Again | End:
    """Decide after a try that certainly did not arrive. `attempts` counts it already."""
    if attempts >= budgets.attempts:
        return End(State.REJECTED, f"not applied: {attempts} attempts failed, the last with: {reason}")
    return Again(_backoff(attempts - 1, budgets, random), spent=True)


def after_block(waits: int, pause_seconds: float, reason: str, budgets: Budgets, random: Random) -> Again | End:
    """Decide when the vendor takes no requests: wait for it, spend nothing."""
    if waits >= budgets.waits:
        return End(State.HELD, f"turned away {waits} times, the last with: {reason}")
    return Again(pause_seconds + random.uniform(0, min(pause_seconds, 1.0)), spent=False)


def after_failed_look(failed: int, reason: str, budgets: Budgets, random: Random) -> LookAgain | End:
    """Decide when a look-up got no answer: doubt goes on. `failed` counts this one already."""
    if failed >= budgets.failed_looks:
        return End(State.HELD, f"outcome unknown: {failed} look-ups got no answer, the last with: {reason}")
    return LookAgain(_backoff(failed - 1, budgets, random))


def next_look(elapsed_seconds: float, settle_seconds: float) -> float:
    """Seconds until the next look: growing gaps, the last one exactly when the settle time is over."""
    gap = max(FIRST_LOOK_SECONDS, elapsed_seconds)
    return max(min(gap, settle_seconds - elapsed_seconds), 0.0)


def after_look(
    finding: Finding,
    elapsed_seconds: float,
    settle_seconds: float,
    refusal: str | None,
    *,
    confirmed: bool,
    attempts: int,
    budgets: Budgets,
) -> LookAgain | SendAgain | End:
    """Decide after a look-up that was answered; only one made when the settle time was over may call a write absent.

    `refusal` is the vendor's refusal of a repeated send, which by itself proves nothing about the first. `confirmed`
    says that the vendor has taken the send: if it shows by the end of the settle time, its reads were behind; if not,
    the vendor has ignored it, and would again. `attempts` counts the sends so far: a vendor that never takes this
    command must not block its lane for ever.
    """
    may_send = refusal is None and not confirmed and attempts < budgets.attempts
    match finding:
        case Landed(maybe_before=False):
            return End(State.APPLIED, "found at the vendor", finding)
        case _ if elapsed_seconds < settle_seconds:
            return LookAgain(next_look(elapsed_seconds, settle_seconds))
        case Landed():
            return End(State.APPLIED, "found at the vendor", finding)
        case Absent() | Undecidable(Why.INCOMPLETE) if may_send:
            return SendAgain()  # what is missing
        case Absent() if not confirmed:
            return End(State.REJECTED, refusal or f"not applied: {attempts} sends were lost, each proved absent")
    found = finding if isinstance(finding, Undecidable) else Undecidable(Why.IGNORED)
    return End(State.HELD, f"{CONFIRMED_BUT if confirmed else 'outcome unknown:'} {found.why.value}", found)
