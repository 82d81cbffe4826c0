"""Every way in which a vendor disturbs one write, and how the write ends then, whatever its effect is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tasks.records import State
from tests.conformance.catalogue import CASES

if TYPE_CHECKING:
    from tests.conformance.catalogue import Case


@dataclass(frozen=True)
class Ending:
    """How a command ends: its state, how often its write was committed, and how many sends that took."""

    state: State
    effects: int
    attempts: int


#: The first send landed, and its answer was lost: it is found.
FOUND: Final = Ending(State.APPLIED, effects=1, attempts=1)
#: The first send did not land: it is looked for, and then sent again.
SENT_AGAIN: Final = Ending(State.APPLIED, effects=1, attempts=2)
#: The vendor refused it.
REFUSED: Final = Ending(State.REJECTED, effects=0, attempts=1)
#: The vendor took nothing from anybody: that costs no attempt.
WAITED: Final = Ending(State.APPLIED, effects=1, attempts=1)


@dataclass(frozen=True)
class FaultClass:
    """One fault of the sandboxes, and the ending of every command that it hits."""

    kind: str
    ending: Ending
    options: dict[str, Any] = field(default_factory=dict)
    #: The vendors that it can happen at; empty for all.
    vendors: tuple[str, ...] = ()
    #: Requests that it hits; None for all.
    count: int | None = 1
    #: The option that names the item it is about.
    item_option: str = ""

    def __str__(self) -> str:
        options = [f"{name}={value}" for name, value in self.options.items()]
        return "-".join([self.kind, *options, *self.vendors])

    def cases(self) -> tuple[Case, ...]:
        """The cases that it can happen to."""
        return tuple(case for case in CASES.values() if not self.vendors or case.vendor in self.vendors)


def _status(ending: Ending, status: int, *vendors: str, count: int | None = 1, **options: Any) -> FaultClass:
    return FaultClass("status", ending, {"status": status, **options}, vendors, count)


#: The answer says nothing, or there is none. "late_commit" commits when nobody waits for it any more.
UNCLEAR: Final = (
    FaultClass("accept_then_drop", FOUND),
    FaultClass("accept_then_drop", FOUND, {"reset": True}),
    FaultClass("drop_before", SENT_AGAIN),
    FaultClass("drop_before", SENT_AGAIN, {"reset": True}),
    FaultClass("hang", FOUND, {"commit": True}),
    FaultClass("hang", SENT_AGAIN, {"commit": False}),
    FaultClass("truncated", FOUND),
    FaultClass("garbage", FOUND),
    *(FaultClass("late_commit", FOUND, {"delay_seconds": seconds}) for seconds in (0.0, 0.15, 0.25)),
    _status(FOUND, 500, commit=True),
    _status(SENT_AGAIN, 500, commit=False),
    _status(FOUND, 502, commit=True, body="html"),
    _status(SENT_AGAIN, 503, commit=False, body="empty"),
    _status(SENT_AGAIN, 408, commit=False),
    FaultClass("missing_category", FOUND, vendors=("partsbox",)),
    FaultClass("error_category", FOUND, {"category": "status/fault", "commit": True}, ("partsbox",)),
    FaultClass("wrong_shape", FOUND, vendors=("partium",)),
    FaultClass("item_left_out", FOUND, {"commit": True}, ("partium",), item_option="id"),
    FaultClass("item_left_out", SENT_AGAIN, {"commit": False}, ("partium",), item_option="id"),
    FaultClass("queued", FOUND, {"until": "delay", "delay_seconds": 0.1}, ("openbom",)),
    FaultClass("queued", SENT_AGAIN, {"until": "called"}, ("openbom",)),
)

#: The vendor says no. A request of several records is sent again in halves, down to the one at fault.
REFUSALS: Final = (
    *(_status(REFUSED, status, count=None) for status in (400, 409, 413, 422)),
    _status(REFUSED, 404, "partsbox", "openbom"),
    _status(REFUSED, 403, "partsbox"),
    FaultClass("error_category", REFUSED, {"category": "conflict"}, ("partsbox",)),
    FaultClass("item_in_errors", REFUSED, {"message": "not this one"}, ("partium",), None, item_option="id"),
)

#: The vendor takes nothing now, or nothing from us.
CLOSED: Final = (
    _status(WAITED, 429, retry_after="fraction", retry_after_seconds=0.05),
    _status(WAITED, 401, "partsbox", "partium"),
    _status(WAITED, 401, "openbom", count=2),
    _status(WAITED, 402),
    _status(WAITED, 403, "partium", "openbom"),
    _status(WAITED, 404, "partium"),
    FaultClass("redirect", WAITED),
    FaultClass("redirect", WAITED, {"status": 307}),
    FaultClass("maintenance", WAITED, vendors=("partium",)),
)
