"""What a vendor is asked and what it says, apart from its own format."""

from dataclasses import dataclass, field
from typing import Any

JSON_TYPE = "application/json"


class RefusedError(Exception):
    """The vendor says no; `problem` is the vendor's own word for why, which gives the status."""

    def __init__(self, problem: str, message: str) -> None:
        super().__init__(message)
        self.problem = problem


@dataclass(frozen=True)
class Reply:
    """An HTTP status, the JSON that goes with it, and headers besides Content-Type."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE


@dataclass(frozen=True)
class Admitted:
    """A request that passed the door."""

    user: str
    #: what the vendor's `commit` works on
    params: Any
    #: the same as text, for the faults' `match`
    text: str
    #: ids of what it is about to write, for the books of overlapping writes
    writes: frozenset[str] = frozenset()
