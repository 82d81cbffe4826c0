"""part/…-ids: the members of a meta-part and the substitutes of a part, both sets of parts."""

from collections.abc import Callable

from tests.sandbox.partsbox import checks
from tests.sandbox.partsbox.bookings import booking_of, change_fields
from tests.sandbox.partsbox.journal import Booking
from tests.sandbox.partsbox.operations import Caller, Operation, Write
from tests.sandbox.partsbox.state import State
from tests.sandbox.partsbox.wire import Answer, Record, RefusedError

MEMBERS, SUBSTITUTES = "part/part-ids", "part/substitute-ids"
#: every field of a part that names other parts
LINKS = (MEMBERS, SUBSTITUTES)
#: how the document spells the substitutes in part/remove-substitute-ids (vendors.md 2.7, contradiction 1)
ODD_SUBSTITUTES = "part/part-substitute-ids"


def add_members(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """part/add-meta-part-ids: the members and the ones named."""
    _require_meta(state, params)
    return _relink(state, params, MEMBERS, checks.identifiers(params, MEMBERS), _joined, caller)


def remove_members(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """part/remove-meta-part-ids: the members without the ones named."""
    _require_meta(state, params)
    return _relink(state, params, MEMBERS, checks.identifiers(params, MEMBERS), _parted, caller)


def add_substitutes(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """part/add-substitute-ids: the substitutes and the ones named."""
    return _relink(state, params, SUBSTITUTES, checks.identifiers(params, SUBSTITUTES), _joined, caller)


def remove_substitutes(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """part/remove-substitute-ids: the substitutes without the ones named, under either name or under both."""
    names = [name for name in (ODD_SUBSTITUTES, SUBSTITUTES) if name in params] or [ODD_SUBSTITUTES]
    lists = [checks.identifiers(params, name) for name in names]
    if any(set(ids) != set(lists[0]) for ids in lists):
        raise RefusedError("invalid", f"{ODD_SUBSTITUTES} and {SUBSTITUTES} differ")
    return _relink(state, params, SUBSTITUTES, lists[0], _parted, caller)


def _require_meta(state: State, params: Record) -> None:
    if state.part(checks.identifier(params, "part/id"))["part/type"] != "meta":
        raise RefusedError("invalid", "Part is not a meta-part")


def _relink(
    state: State,
    params: Record,
    field: str,
    ids: list[str],
    combined: Callable[[list[str], list[str]], list[str]],
    caller: Caller,
) -> tuple[Answer, Booking]:
    """Write the new set; one unknown part refuses all of them."""
    part_id = checks.identifier(params, "part/id")
    part = state.part(part_id)
    for other_id in ids:
        state.part(other_id)
    if part_id in ids:
        raise RefusedError("invalid", "A part is not linked to itself")

    links = combined(part.get(field, []), caller.portion(ids))
    return Answer(), booking_of(params, change_fields(f"part:{part_id}", part, {field: links}))


def _joined(links: list[str], ids: list[str]) -> list[str]:
    return list(dict.fromkeys([*links, *ids]))


def _parted(links: list[str], ids: list[str]) -> list[str]:
    return [link for link in links if link not in ids]


OPERATIONS: dict[str, Operation] = {
    "part/add-meta-part-ids": Write(add_members),
    "part/remove-meta-part-ids": Write(remove_members),
    "part/add-substitute-ids": Write(add_substitutes),
    "part/remove-substitute-ids": Write(remove_substitutes),
}
