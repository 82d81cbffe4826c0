"""Fault switches: which fault hits which request, decided by counting or by a window of time, never by chance."""

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

PACE, SIGHT, COMMIT, OUTCOME = "pace", "sight", "commit", "outcome"
BEFORE_COMMIT, AFTER_COMMIT = "before_commit", "after_commit"

ANY_OPERATION = "*"

#: forms of Retry-After that a 429 or 503 can carry; see answers.py
RETRY_AFTER_FORMS = (
    "absent", "seconds", "zero", "fraction", "http_date", "past_date", "empty", "garbage", "huge", "negative",
    "ratelimit",
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of fault: what it changes, its options with their defaults, and which operations it can hit."""

    stage: str
    options: dict[str, Any] = field(default_factory=dict)
    #: a request with this outcome reaches its commit; an option `commit` says otherwise
    commits: bool = False
    #: hits no reads; those of the commit stage never do
    writes_only: bool = False
    #: hits no writes
    reads_only: bool = False
    #: hits these operations alone
    only: Collection[str] | None = None
    #: the option that names what the request must be about; left empty, any request will do
    about: str | None = None

    def can_hit(self, operation: str, *, writes: bool) -> bool:
        """Tell whether the operation is one that this kind is meant for."""
        if (self.writes_only or self.stage == COMMIT) and not writes:
            return False
        if self.reads_only and writes:
            return False
        return self.only is None or operation in self.only


#: the kinds that every vendor has; a request meets at most one fault of each stage
KINDS: dict[str, Kind] = {
    "delay": Kind(PACE, {"delay_seconds": 1.0, "place": AFTER_COMMIT}),
    "gate": Kind(PACE, {"gate": "gate", "place": BEFORE_COMMIT}),
    "stale_read": Kind(SIGHT, {"lag_seconds": 1.0}, reads_only=True),
    "duplicate_commit": Kind(COMMIT),
    "second_writer": Kind(COMMIT, {"place": AFTER_COMMIT, "user": "colleague"}),
    "accept_then_drop": Kind(OUTCOME, {"reset": False}, commits=True),
    "drop_before": Kind(OUTCOME, {"reset": False}),
    "late_commit": Kind(OUTCOME, {"delay_seconds": 0.5, "after": "closing"}, commits=True),
    "hang": Kind(OUTCOME, {"commit": False}),
    "status": Kind(
        OUTCOME,
        {"status": 500, "commit": False, "body": "envelope", "retry_after": "absent", "retry_after_seconds": 1.0},
    ),
    "truncated": Kind(OUTCOME, {"commit": True}),
    "garbage": Kind(OUTCOME, {"commit": True}),
    "redirect": Kind(OUTCOME, {"status": 302, "location": "/_sandbox/redirect-target"}),
}

#: the values of options that are choices
CHOICES: dict[str, tuple[str, ...]] = {
    "place": (BEFORE_COMMIT, AFTER_COMMIT),
    "after": ("closing", "client_left"),
    "body": ("envelope", "html", "empty"),
    "retry_after": RETRY_AFTER_FORMS,
}


@dataclass
class Fault:
    """One switch and how often it fired."""

    number: int
    kind: str
    rule: Kind
    operation: str
    #: how many requests it hits; None means all
    count: int | None
    #: text that the request's parameters must contain
    match: str
    #: how many fitting requests pass first
    skip: int
    options: dict[str, Any]
    #: seconds of the switches' clock after which it hits nothing more
    ends_at: float | None = None
    fired: int = 0
    passed: int = 0

    @property
    def commits(self) -> bool:
        """Tell whether a request with this outcome is committed."""
        return bool(self.options.get("commit", self.rule.commits))

    def fits(self, operation: str, text: str, *, writes: bool) -> bool:
        """Tell whether the request is one this fault is meant for."""
        return (
            self.rule.can_hit(operation, writes=writes)
            and self.operation in (ANY_OPERATION, operation)
            and self.match in text
            and self._names(text)
        )

    def fires(self, now: float) -> bool:
        """Count a fitting request, and tell whether it is hit."""
        if self.ends_at is not None and now >= self.ends_at:
            return False
        if self.passed < self.skip:
            self.passed += 1
            return False
        if self.count is not None and self.fired >= self.count:
            return False
        self.fired += 1
        return True

    def _names(self, text: str) -> bool:
        name = self.options[self.rule.about] if self.rule.about else ""
        return not name or json.dumps(name, ensure_ascii=False) in text

    def describe(self) -> dict[str, Any]:
        """Give the switch as JSON."""
        return {name: value for name, value in vars(self).items() if name not in ("rule", "ends_at")}


@dataclass(frozen=True)
class Drawn:
    """The faults that hit one request, by stage."""

    by_stage: dict[str, Fault] = field(default_factory=dict)

    def __getitem__(self, stage: str) -> Fault | None:
        return self.by_stage.get(stage)

    @property
    def kinds(self) -> list[str]:
        """Name them, the one that comes first in a request's life first."""
        stages = sorted(self.by_stage, key=lambda stage: (stage == OUTCOME, stage != PACE))
        return [self.by_stage[stage].kind for stage in stages]


class Faults:
    """All switches, in the order they were set; the first that fits and fires wins its stage."""

    def __init__(
        self,
        operations: Mapping[str, bool],
        kinds: Mapping[str, Kind],
        choices: Mapping[str, tuple[str, ...]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.switches: list[Fault] = []
        #: name -> does it write?
        self._operations = operations
        self._kinds = kinds
        self._choices = choices
        self._clock = clock
        self._numbered = 0

    def add(
        self,
        kind: str,
        operation: str = ANY_OPERATION,
        *,
        count: int | None = 1,
        match: str = "",
        skip: int = 0,
        lasting_seconds: float | None = None,
        **options: Any,
    ) -> Fault:
        """Set a switch, for `lasting_seconds` when given; raises ValueError for what does not exist."""
        self._check(kind, operation, options)
        self._numbered += 1
        rule = self._kinds[kind]
        ends_at = None if lasting_seconds is None else self._clock() + lasting_seconds
        chosen = {**rule.options, **options}
        fault = Fault(self._numbered, kind, rule, operation, count, match, skip, chosen, ends_at)
        self.switches.append(fault)
        return fault

    def clear(self) -> None:
        """Remove every switch; requests already hit stay hit."""
        self.switches.clear()

    def draw(self, operation: str, text: str) -> Drawn:
        """Decide what happens to a request."""
        hit: dict[str, Fault] = {}
        now, writes = self._clock(), self._operations[operation]
        for fault in self.switches:
            if fault.rule.stage not in hit and fault.fits(operation, text, writes=writes) and fault.fires(now):
                hit[fault.rule.stage] = fault
        return Drawn(hit)

    def _check(self, kind: str, operation: str, options: dict[str, Any]) -> None:
        if kind not in self._kinds:
            raise ValueError(f"no fault of kind {kind!r}; there are {', '.join(self._kinds)}")
        rule = self._kinds[kind]
        if operation not in (ANY_OPERATION, *self._operations):
            raise ValueError(f"no operation {operation!r}; there are {', '.join(self._operations)}")
        if operation != ANY_OPERATION and not rule.can_hit(operation, writes=self._operations[operation]):
            raise ValueError(f"{kind} cannot hit {operation}")
        for name, value in options.items():
            if name not in rule.options:
                raise ValueError(f"{kind} has no option {name!r}; it has {', '.join(rule.options) or 'none'}")
            if name in self._choices and value not in self._choices[name]:
                raise ValueError(f"{name} is one of {', '.join(self._choices[name])}")
            if _sort(value) != _sort(rule.options[name]):
                raise ValueError(f"{name} must be like {rule.options[name]!r}")


def _sort(value: Any) -> str:
    """Tell flags, numbers, texts and lists apart."""
    if isinstance(value, bool):
        return "flag"
    return "number" if isinstance(value, int | float) else type(value).__name__
