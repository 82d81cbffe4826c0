"""The JSON of the dead-letter desk's answers as models, for the document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from producers.webhooks.schemas import Key, Milliseconds

LetterStateName = Literal["rejected", "held", "damaged"]


class ShownDeadLetter(BaseModel):
    """A dead letter in the list; what cannot be read of a damaged one is null."""

    key: str
    kind: str
    vendor: str
    state: LetterStateName
    summary: Annotated[str, Field(description="What a replay would ask, in one line.")]
    reason: Annotated[str, Field(description="Why it died, in the vendor's words or ours.")]
    attempts: Annotated[int | None, Field(description="Sends at the vendor.")]
    doubted: Annotated[bool | None, Field(description="The outcome of a send was unknown at least once.")]
    accepted_ms: Milliseconds | None
    died_ms: Milliseconds
    revision: Annotated[str, Field(description="Changes with every death and every correction.")]
    lanes: Annotated[list[str], Field(description="What it is serial with when it is replayed.")]
    edited_by: Annotated[str | None, Field(description="Who corrected it, where that waits for a replay.")]
    effect: Annotated[str | None, Field(description="How a write of this kind behaves when it is repeated.")]


class FoundDeadLetters(BaseModel):
    """A page of dead letters, newest first."""

    total: Annotated[int, Field(description="All of the filter's vendors, whether they fit the rest of it or not.")]
    after: Annotated[str | None, Field(description="Ask on with it; null at the end. A page may be short and go on.")]
    dead_letters: list[ShownDeadLetter]
    counts: Annotated[dict[str, int], Field(description="All dead letters, by vendor.")]
    names: Annotated[dict[str, str], Field(description="What the ids in it stand for, as far as it is known.")]
    now_ms: Milliseconds


class ShownNeighbour(BaseModel):
    """A command in the same lane."""

    key: str
    state: str
    summary: str


class ShownLane(BaseModel):
    """What a dead letter is serial with."""

    name: str
    length: Annotated[int, Field(description="Commands in it; a held dead letter is one of them.")]
    first: list[ShownNeighbour]


class WholeDeadLetter(ShownDeadLetter):
    """Everything that is known of a dead letter; a damaged one has `fields`, as they are kept, and little else."""

    client: str = ""
    command: Annotated[Any, Field(description="As it was sent last.")] = None
    original: Annotated[Any, Field(description="As it was accepted, where a correction was sent since.")] = None
    corrected: Annotated[Any, Field(description="As a replay would send it, where a correction is kept.")] = None
    leaves_its_lanes: Annotated[
        bool, Field(description="True when `corrected` stands in other lanes: a replay of a held one needs `at`.")
    ] = False
    waits: int = 0
    looks: int = 0
    failed_looks: int = 0
    crashes: int = 0
    before: Annotated[dict[str, Any] | None, Field(description="What was there before the last send.")] = None
    refusal: dict[str, Any] | None = None
    receipt: dict[str, Any] | None = None
    parent: str | None = None
    children: list[str] = []
    replayed_by: str | None = None
    fields: dict[str, str] = {}
    lane_heads: list[ShownLane]
    evidence: Annotated[
        list[dict[str, Any]],
        Field(description="What was seen, sent and answered, and what people did, oldest first; without secrets."),
    ]
    names: Annotated[dict[str, str], Field(description="What the ids in it stand for, as far as it is known.")]
    now_ms: Milliseconds


class ShownChange(BaseModel):
    """One field of a correction; null where it is not given."""

    field: str
    old: Any
    new: Any


class ShownDiff(BaseModel):
    """What a correction changes."""

    changes: list[ShownChange]
    old_summary: str
    new_summary: str
    old_lanes: list[str]
    new_lanes: list[str]
    revision: str
    leaves_its_lanes: Annotated[bool, Field(description="True when a replay of a held one needs `at`.")]


class Decided(BaseModel):
    """What became of a dead letter that was decided about."""

    key: Key
    state: Annotated[str, Field(description="A state of the ledger, or `discarded`.")]


class ShownRedrive(BaseModel):
    """A bulk replay at one vendor."""

    id: str
    vendor: str
    state: Literal["running", "done", "cancelled"]
    by: str
    filter: dict[str, Any]
    per_second: float
    total: int
    replayed: int
    skipped: Annotated[int, Field(description="Changed, replayed or closed by a person meanwhile.")]
    left: int
    left_alone: Annotated[list[dict[str, str]], Field(description="The first hundred that were skipped, and why.")]
    created_ms: Milliseconds
    ended_ms: Milliseconds | None
    cancelled_by: str | None


class BegunRedrives(BaseModel):
    """One bulk replay for each vendor that had any letter."""

    redrives: list[ShownRedrive]


class ShownRedrives(BegunRedrives):
    """The bulk replays, newest first."""

    now_ms: Milliseconds


class CountedLetters(BaseModel):
    """What a bulk replay would take."""

    total: int
    damaged: Annotated[int, Field(description="They fit, cannot be read, and would be left out.")]
    vendors: dict[str, int]
    states: dict[str, int]
    effects: dict[str, int]
