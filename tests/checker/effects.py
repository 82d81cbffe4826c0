"""A vendor's journal, asked for the effects of one command by what they carry."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from tasks.effects import Effect
from tasks.identity import marker_of, markers_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.checker.evidence import Expected, Json

#: Effects that may be repeated without harm: they say how something shall be.
ABSOLUTE: Final = (Effect.SET, Effect.UPSERT)
#: The vendor's own fault of committing one request twice; nobody else can be blamed for the second.
COMMITTED_TWICE: Final = "duplicate_commit"


class VendorEffects:
    """The effects in one journal, in the order committed; each is claimed by at most one command."""

    def __init__(self, journal: Json) -> None:
        self._effects: list[Json] = journal["effects"]
        requests = journal["requests"]
        self._twice = {request["seq"] for request in requests if COMMITTED_TWICE in request["faults"]}
        self._markers = {request["marker"] for request in requests}
        self._read = {subject for request in requests if request["outcome"] == "ok" for subject in request["subjects"]}
        self._by_text: dict[str, list[Json]] = defaultdict(list)
        self._by_subject: dict[str, list[Json]] = defaultdict(list)
        self._claimed: dict[int, str] = {}
        for effect in self._effects:
            for text in carried(effect):
                self._by_text[text].append(effect)
            for subject in effect["subjects"]:
                self._by_subject[subject].append(effect)

    def claim(self, command: Expected) -> list[Json]:
        """Give our effects of a command, and take note that they are explained."""
        found = [effect for effect in self._found(command) if not effect["foreign"]]
        self._claimed |= {effect["seq"]: command.key for effect in found}
        return found

    def done_by_others(self, command: Expected) -> bool:
        """Tell whether somebody else wrote what the command asks for."""
        return any(effect["foreign"] for effect in self._found(command))

    def foreign_on(self, subject: str) -> bool:
        """Tell whether somebody else wrote anything to the subject."""
        return any(effect["foreign"] for effect in self._by_subject[subject])

    def unclaimed(self) -> list[Json]:
        """List our effects that no command has claimed; what changes nothing need not tell whose it is."""
        ours = (effect for effect in self._effects if not effect["foreign"] and changes_anything(effect))
        return [effect for effect in ours if effect["seq"] not in self._claimed]

    def claimed_between(self, subject: str, first: int, last: int) -> set[str]:
        """Name the commands whose effects on the subject lie between two numbers of the journal."""
        return {
            self._claimed[effect["seq"]]
            for effect in self._by_subject[subject]
            if first < effect["seq"] < last and effect["seq"] in self._claimed
        }

    def by_vendor_itself(self, effect: Json, others: Iterable[Json]) -> bool:
        """Tell whether the vendor made this effect out of the same request as another one, by a fault of its own."""
        request = effect["request_seq"]
        earlier = any(other["request_seq"] == request and other["seq"] < effect["seq"] for other in others)
        return earlier and request in self._twice

    def was_requested(self, command: Expected) -> bool:
        """Tell whether a request that carries the command's marker came to the vendor."""
        return marker_of(command.key) in self._markers

    def was_read(self, subject: str) -> bool:
        """Tell whether a request about the subject was answered."""
        return subject in self._read

    def _found(self, command: Expected) -> list[Json]:
        return [
            effect
            for effect in self._by_text[command.fingerprint]
            if (not command.subject or command.subject in effect["subjects"])
            and (changes_anything(effect) or command.effect in ABSOLUTE)
        ]


def carried(effect: Json) -> set[str]:
    """Give what an effect is known by: its comment, the values that it changed, their words, and what was done to what.

    A marker that was there before belongs to whoever brought it. What changes nothing carries all that it wrote.
    """
    before, after = (dict(_leaves(_image(effect, name))) for name in ("before", "after"))
    written = [text for path, text in after.items() if before.get(path) != text] or list(after.values())
    written += [leg["comments"] for leg in effect.get("legs", ()) if leg["comments"]]
    written += [effect["comment"]] if effect.get("comment") else []
    old = {marker_of(key) for text in before.values() for key in markers_in(text)}
    found = {word for text in written for word in (text, *text.split())} - old
    return found | {f"{effect['operation']} {subject}" for subject in effect["subjects"]}


def changes_anything(effect: Json) -> bool:
    """Tell whether something is not as it was before; what only adds to the stock does."""
    before, after = _image(effect, "before"), _image(effect, "after")
    return before is None or before != after


def keeps_marker(effect: Json) -> bool:
    """Tell whether the vendor has our marker where a look-up reads it: whole, in each stock entry that was written."""
    legs = effect.get("legs", ())
    return bool(effect["marker"]) and all(effect["marker"] in (leg["comments"] or "") for leg in legs)


def _image(effect: Json, name: str) -> Any:
    return effect.get(name, effect.get("details", {}).get(name))


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Walk through everything that is no container."""
    match value:
        case dict():
            for name, item in value.items():
                yield from _leaves(item, (*path, name))
        case list():
            for number, item in enumerate(value):
                yield from _leaves(item, (*path, number))
        case None:
            return
        case _:
            yield path, str(value)
