"""Fault switches: which fault hits which request, decided by counting, never by chance."""

from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.partsbox.catalog import OPERATIONS
from tests.sandbox.partsbox.operations import Write

PACE, COMMIT, OUTCOME = "pace", "commit", "outcome"
BEFORE_COMMIT, AFTER_COMMIT = "before_commit", "after_commit"

ANY_OPERATION = "*"
#: the one operation that writes two entries
TWO_LEGGED = "stock/move"

#: forms of Retry-After that a 429 or 503 can carry; see answers.py
RETRY_AFTER_FORMS = (
    "absent", "seconds", "zero", "fraction", "http_date", "past_date", "empty", "garbage", "huge", "negative",
    "ratelimit",
)  # fmt: skip

#: kind -> stage and options with their defaults; a request meets at most one fault of each stage
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "delay": (PACE, {"delay_seconds": 1.0, "place": AFTER_COMMIT}),
    "gate": (PACE, {"gate": "gate", "place": BEFORE_COMMIT}),
    "comment_stripped": (COMMIT, {}),
    "marker_lost_on_one_leg": (COMMIT, {"leg": "target"}),
    "duplicate_commit": (COMMIT, {}),
    "second_writer": (COMMIT, {"place": AFTER_COMMIT, "user": "colleague"}),
    "accept_then_drop": (OUTCOME, {"reset": False}),
    "drop_before": (OUTCOME, {"reset": False}),
    "late_commit": (OUTCOME, {"delay_seconds": 0.5, "after": "closing"}),
    "hang": (OUTCOME, {"commit": False}),
    "status": (
        OUTCOME,
        {"status": 500, "commit": False, "body": "envelope", "retry_after": "absent", "retry_after_seconds": 1.0},
    ),
    "truncated": (OUTCOME, {"commit": True}),
    "error_category": (OUTCOME, {"category": "error", "commit": False}),
    "missing_category": (OUTCOME, {"commit": True}),
    "garbage": (OUTCOME, {"commit": True}),
    "redirect": (OUTCOME, {"status": 302, "location": "/_sandbox/redirect-target"}),
}

#: the values of options that are choices
CHOICES: dict[str, tuple[str, ...]] = {
    "place": (BEFORE_COMMIT, AFTER_COMMIT),
    "leg": ("source", "target"),
    "after": ("closing", "client_left"),
    "body": ("envelope", "html", "empty"),
    "retry_after": RETRY_AFTER_FORMS,
}

#: kinds without a `commit` option that reach their commit; drop_before and redirect do not
ALWAYS_COMMIT = ("accept_then_drop", "late_commit")


@dataclass
class Fault:
    """One switch and how often it fired."""

    number: int
    kind: str
    operation: str
    #: how many requests it hits; None means all
    count: int | None
    #: text that the request's parameters must contain
    match: str
    #: how many fitting requests pass first
    skip: int
    options: dict[str, Any]
    fired: int = 0
    passed: int = 0

    @property
    def stage(self) -> str:
        """Tell what the fault changes: the pace, the commit or the outcome."""
        return KINDS[self.kind][0]

    @property
    def commits(self) -> bool:
        """Tell whether a request with this outcome is committed."""
        return bool(self.options.get("commit", self.kind in ALWAYS_COMMIT))

    def fits(self, operation: str, text: str) -> bool:
        """Tell whether the request is one this fault is meant for."""
        if self.stage == COMMIT and not isinstance(OPERATIONS[operation], Write):
            return False
        if self.kind == "marker_lost_on_one_leg" and operation != TWO_LEGGED:
            return False
        return self.operation in (ANY_OPERATION, operation) and self.match in text

    def fires(self) -> bool:
        """Count a fitting request, and tell whether it is hit."""
        if self.passed < self.skip:
            self.passed += 1
            return False
        if self.count is not None and self.fired >= self.count:
            return False
        self.fired += 1
        return True


@dataclass(frozen=True)
class Drawn:
    """The faults that hit one request, by stage."""

    pace: Fault | None = None
    commit: Fault | None = None
    outcome: Fault | None = None

    @property
    def kinds(self) -> list[str]:
        """Name them."""
        return [fault.kind for fault in (self.pace, self.commit, self.outcome) if fault]


@dataclass
class Faults:
    """All switches, in the order they were set; the first that fits and fires wins its stage."""

    switches: list[Fault] = field(default_factory=list)
    _numbered: int = 0

    def add(
        self,
        kind: str,
        operation: str = ANY_OPERATION,
        *,
        count: int | None = 1,
        match: str = "",
        skip: int = 0,
        **options: Any,
    ) -> Fault:
        """Set a switch; raises ValueError for a kind, operation or option that does not exist."""
        _check(kind, operation, options)
        self._numbered += 1
        defaults = KINDS[kind][1]
        fault = Fault(self._numbered, kind, operation, count, match, skip, {**defaults, **options})
        self.switches.append(fault)
        return fault

    def clear(self) -> None:
        """Remove every switch; requests already hit stay hit."""
        self.switches.clear()

    def draw(self, operation: str, text: str) -> Drawn:
        """Decide what happens to a request."""
        hit: dict[str, Fault] = {}
        for fault in self.switches:
            if fault.stage not in hit and fault.fits(operation, text) and fault.fires():
                hit[fault.stage] = fault
        return Drawn(**hit)


def _check(kind: str, operation: str, options: dict[str, Any]) -> None:
    if kind not in KINDS:
        raise ValueError(f"no fault of kind {kind!r}; there are {', '.join(KINDS)}")
    stage, defaults = KINDS[kind]
    if operation not in (ANY_OPERATION, *OPERATIONS):
        raise ValueError(f"no operation {operation!r}")
    if stage == COMMIT and operation != ANY_OPERATION and not isinstance(OPERATIONS[operation], Write):
        raise ValueError(f"{operation} commits nothing")
    if kind == "marker_lost_on_one_leg" and operation not in (ANY_OPERATION, TWO_LEGGED):
        raise ValueError(f"{operation} has one leg")
    for name, value in options.items():
        if name not in defaults:
            raise ValueError(f"{kind} has no option {name!r}; it has {', '.join(defaults) or 'none'}")
        if name in CHOICES and value not in CHOICES[name]:
            raise ValueError(f"{name} is one of {', '.join(CHOICES[name])}")
        if not _alike(value, defaults[name]):
            raise ValueError(f"{name} must be like {defaults[name]!r}")


def _alike(value: Any, default: Any) -> bool:
    """Tell whether both are flags, numbers or texts."""
    if isinstance(value, bool) or isinstance(default, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    return isinstance(value, int | float) == isinstance(default, int | float)
