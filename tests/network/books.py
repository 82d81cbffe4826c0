"""What the vendor's journal and its count of requests say of the commands that were asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tasks.identity import marker_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.network.site import Site


@dataclass(frozen=True)
class Books:
    """Each must be empty; keys, but where another thing is said."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    #: Marks of effects that nobody asked for.
    unexpected: list[str] = field(default_factory=list)
    #: Parts whose effects came against the order in which their commands were accepted.
    out_of_order: list[str] = field(default_factory=list)
    #: Requests that broke the vendor's limits, by its own books.
    violations: list[dict[str, Any]] = field(default_factory=list)


def books_of(site: Site, keys: Sequence[str] | None = None) -> Books:
    """Compare the journal with these commands, in the order accepted; by default with all that were submitted."""
    wanted = site.keys if keys is None else list(keys)
    effects = site.control("GET", "journal")["effects"]
    counts = Counter(effect["marker"] for effect in effects)
    place = {marker_of(key): number for number, key in enumerate(site.keys)}
    by_part: dict[str, list[int]] = {}
    for effect in effects:
        by_part.setdefault(effect["part_ids"][0], []).append(place.get(effect["marker"], -1))
    return Books(
        lost=[key for key in wanted if not counts[marker_of(key)]],
        doubled=[key for key in site.keys if counts[marker_of(key)] > 1],
        unexpected=[str(mark) for mark in counts if mark not in place],
        out_of_order=[part for part, order in by_part.items() if order != sorted(order)],
        violations=site.control("GET", "limits")["violations"],
    )


def sends_of(site: Site) -> dict[str, int]:
    """Count the writes that came to the vendor, carried out or not, by key."""
    requests = site.control("GET", "journal")["requests"]
    counts = Counter(one["marker"] for one in requests if one["operation"] == "stock/add")
    return {key: counts[marker_of(key)] for key in site.keys}
