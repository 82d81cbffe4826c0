"""What a run amounted to: every wrong, by its sort, and what is shown without being one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

#: Sorts of wrongs, in the order in which they are shown; each of the verdict's lists must be empty.
WRONGS: Final = (
    "lost",
    "doubled",
    "unexpected",
    "out_of_order",
    "over_rate",
    "over_concurrency",
    "wrong_state",
    "spent_on_429",
    "trivial",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found at one vendor."""

    vendor: str
    what: str

    def __str__(self) -> str:
        return f"{self.vendor}: {self.what}"


@dataclass
class Verdict:
    """The judgement of a run."""

    #: Accepted, and neither done nor reported: in no ledger, never ended, or applied without effect at the vendor.
    lost: list[Finding] = field(default_factory=list)
    #: Done more than once, by us.
    doubled: list[Finding] = field(default_factory=list)
    #: Effects and commands that nobody asked for.
    unexpected: list[Finding] = field(default_factory=list)
    #: Effects against the order in which their lane's commands were accepted, an old value over a newer one included.
    out_of_order: list[Finding] = field(default_factory=list)
    #: Requests faster than the vendor allows, by its own count.
    over_rate: list[Finding] = field(default_factory=list)
    #: Requests beside more others than the vendor allows, by its own count.
    over_concurrency: list[Finding] = field(default_factory=list)
    #: Rejected or cancelled, and yet the vendor has the effect; or held without a reason.
    wrong_state: list[Finding] = field(default_factory=list)
    #: Attempts spent while the vendor was closed.
    spent_on_429: list[Finding] = field(default_factory=list)
    #: A run that shows nothing: too few commands came to the vendor, or a class of faults never fired.
    trivial: list[Finding] = field(default_factory=list)

    #: No wrong by itself: commands that wait for a person, by vendor and reason (numbers in it shown as n).
    held: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: Those of them whose outcome could be told from the vendor's data.
    decidable: list[Finding] = field(default_factory=list)
    #: Absolute values written again over themselves.
    repeated: list[Finding] = field(default_factory=list)
    #: Effects that a vendor made twice out of one request, and anything else that is its own doing.
    vendors_own: list[Finding] = field(default_factory=list)
    #: By vendor and the state that its ledger tells.
    commands: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: By vendor: HTTP requests, and effects of ours.
    requests: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    #: How often faults fired, by vendor and kind.
    fired: Counter[tuple[str, str]] = field(default_factory=Counter)

    def wrongs(self) -> dict[str, list[Finding]]:
        """Give every list that must be empty, by its name."""
        return {name: getattr(self, name) for name in WRONGS}

    @property
    def is_right(self) -> bool:
        """Tell whether nothing is wrong."""
        return not any(self.wrongs().values())

    @property
    def vendors(self) -> list[str]:
        """Name the vendors that the run was about."""
        return list(dict.fromkeys([*(vendor for vendor, _ in self.commands), *self.requests]))
