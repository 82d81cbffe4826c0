"""The vendors' faults that a plan may set: each in the ways that keep the stated assumption, at writes or at reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.sandbox.faults import AFTER_COMMIT, BEFORE_COMMIT, RETRY_AFTER_FORMS
from tests.sandbox.partsbox.faults import TWO_LEGGED
from tests.simulation.warehouse import OPENBOM, PARTBOLT, PARTIUM, PARTSBOX

if TYPE_CHECKING:
    from collections.abc import Collection

#: The latest commit behind a closed connection. The settle time is 60 s by default, and counts from when we closed:
#: a killed worker's connection closes before its request would have been given up.
LATEST_COMMIT_SECONDS: Final = 50.0
#: Each alone keeps that; on one request they would add up.
ADDING_UP: Final = frozenset({"delay", "late_commit"})

WRITERS: Final = (PARTSBOX, PARTIUM, OPENBOM)
VENDORS: Final = (*WRITERS, PARTBOLT)
#: Writes of lists that show the same word, or the same deed, in each of the requests that they may take.
LISTS: Final = (
    "part/update-custom-fields",
    "part/remove-meta-part-ids",
    "part/remove-substitute-ids",
    "project/update-entries",
)

Options = dict[str, Any]

#: What a vendor is asked whatever is written, and what beside a write on a noun.
READS: Final[dict[str, tuple[str, ...]]] = {
    PARTSBOX: (),
    PARTIUM: ("parts/select", "assemblies/select"),
    OPENBOM: ("login",),
    PARTBOLT: ("parts/get",),
}
_READS_OF: Final = {
    "stock": ("part/get",),
    "order": ("part/get", "order/get-entries"),
    "part": ("part/get", "part/all"),
    "lot": ("lot/get",),
    "storage": ("storage/get",),
    "project": ("project/get", "project/get-entries", "project/all"),
    "build": ("build/get",),
    "bom": ("bom",),
    "catalog": ("catalog",),
}


@dataclass(frozen=True, slots=True)
class VendorFault:
    """One way in which a vendor's answer, or its commit, goes wrong."""

    kind: str
    options: Options
    vendors: Collection[str]
    #: It hits writes; else it hits reads.
    writes: bool = True
    #: It hits these operations alone; none for all.
    only: Collection[str] = ()

    def operations(self, vendor: str, operation: str) -> list[str]:
        """List what it may hit at the vendor of a kind of command that writes by this operation; "" if it reads."""
        if vendor not in self.vendors:
            return []
        if not self.writes:
            return [*READS[vendor], *_READS_OF.get(operation.partition("/")[0], ())]
        return [operation] if operation and (not self.only or operation in self.only) else []


def _each(
    kind: str, *ways: Options, vendors: Collection[str] = WRITERS, only: Collection[str] = ()
) -> list[VendorFault]:
    return [VendorFault(kind, way, vendors, only=only) for way in ways]


def _read(kind: str, *ways: Options) -> list[VendorFault]:
    return [VendorFault(kind, way, VENDORS, writes=False) for way in ways]


def _status(status: int, **options: Any) -> Options:
    return {"status": status, **options}


#: Landed or not: an answer that says nothing leaves both open.
_EITHER: Final = ({"commit": True}, {"commit": False})
_TURNED_AWAY: Final = tuple(
    _status(429, retry_after=form, retry_after_seconds=seconds)
    for form, seconds in zip(RETRY_AFTER_FORMS, (1.0, 2.0, 0.5, 1.5, 20.0, 1.0) * 2, strict=False)
)

UNCLEAR: Final = (
    *_each("accept_then_drop", {}, {"reset": True}),
    *_each("drop_before", {}, {"reset": True}),
    *_each("late_commit", *({"delay_seconds": seconds} for seconds in (0.2, 5.0, 20.0, LATEST_COMMIT_SECONDS))),
    *_each("late_commit", {"delay_seconds": LATEST_COMMIT_SECONDS, "after": "client_left"}),
    *_each("delay", *({"delay_seconds": 25.0, "place": place} for place in (BEFORE_COMMIT, AFTER_COMMIT))),
    *_each("delay", *({"delay_seconds": 45.0, "place": place} for place in (BEFORE_COMMIT, AFTER_COMMIT))),
    *_each("hang", *_EITHER),
    *_each("truncated", *_EITHER),
    *_each("garbage", *_EITHER),
    *_each("status", *(_status(500, **way) for way in _EITHER), _status(502, commit=True, body="html")),
    *_each("status", _status(503, body="empty"), _status(503, retry_after="seconds", retry_after_seconds=5.0)),
    *_each("status", _status(408)),
    *_each("missing_category", *_EITHER, vendors=(PARTSBOX,)),
    *_each("error_category", *({"category": "status/fault", **way} for way in _EITHER), vendors=(PARTSBOX,)),
    *_each("wrong_shape", *_EITHER, vendors=(PARTIUM,)),
    *_each("item_left_out", *_EITHER, vendors=(PARTIUM,)),
    *_each("queued", {"until": "delay", "delay_seconds": 5.0}, {"until": "called"}, vendors=(OPENBOM,)),
)
REFUSING: Final = (
    *_each("status", *(_status(status) for status in (400, 409, 413, 422))),
    *_each("error_category", {"category": "conflict"}, vendors=(PARTSBOX,)),
    *_each("item_in_errors", {"message": "not this one"}, {"message": "try again"}, vendors=(PARTIUM,)),
)
CLOSED: Final = (
    *_each("status", *_TURNED_AWAY),
    *_each("status", *(_status(status) for status in (401, 402, 403))),
    *_each("redirect", {}, {"status": 307}),
)
#: The vendor, or a colleague, does something else than was asked.
MEDDLING: Final = (
    *_each("duplicate_commit", {}),
    *_each("comment_stripped", {}, vendors=(PARTSBOX,)),
    *_each("marker_lost_on_one_leg", {"leg": "source"}, {"leg": "target"}, vendors=(PARTSBOX,), only=(TWO_LEGGED,)),
    *_each("batch_cut", {"kept": 1}, vendors=(PARTSBOX,), only=LISTS),
    *_each("batch_gap", {"position": 2}, vendors=(PARTSBOX,), only=LISTS),
)
AT_READS: Final = (
    *_read("drop_before", {}, {"reset": True}),
    *_read("delay", {"delay_seconds": 25.0}, {"delay_seconds": 45.0}),
    *_read("hang", {}),
    *_read("truncated", {}),
    *_read("garbage", {}),
    *_read("status", _status(500), _status(503), _status(401), *_TURNED_AWAY[:3]),
    *_read("redirect", {}),
    VendorFault("stranger", {}, (PARTIUM,), writes=False),
    VendorFault("wrong_shape", {}, (PARTIUM,), writes=False),
    VendorFault("missing_category", {}, (PARTSBOX,), writes=False),
)

ALL: Final = (*UNCLEAR, *REFUSING, *CLOSED, *MEDDLING, *AT_READS)
#: By sort: every way in which it goes wrong.
BY_SORT: Final = {sort: [fault for fault in ALL if fault.kind == sort] for sort in sorted({each.kind for each in ALL})}
#: How often each sort is drawn: those that leave a write in doubt oftener, and the statuses, of which there are many.
WEIGHTS: Final = {
    sort: {"accept_then_drop": 20, "late_commit": 20, "hang": 10, "drop_before": 8, "status": 16}.get(sort, 4)
    for sort in BY_SORT
}
