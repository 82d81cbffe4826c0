"""The JSON of requests and answers as models: what the document describes, and the schemas of every command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from producers.scanner.labels import MAX_LABEL_CHARACTERS
from producers.webhooks.examples import COMMANDS
from tasks.commands import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS
from tasks.records import State
from tasks.registry import command_type, submittable_kinds

if TYPE_CHECKING:
    from collections.abc import Iterable

REF: Final = "#/components/schemas/{model}"
COMMAND: Final = {"$ref": REF.format(model="Command")}
#: Items in one upload: a station that was offline for a shift has its backlog gone in a few requests.
MAX_SCANS: Final = 500

Key = Annotated[str, Field(description="The command's key: 20 characters of a-z and 2-7.", pattern="^[a-z2-7]{20}$")]
Milliseconds = Annotated[int, Field(description="UTC milliseconds.")]
#: The sender's own key, as a schema: one of several visible ASCII characters.
_IDEMPOTENCY_KEY: Final = {
    "type": "string",
    "pattern": "^[!-~]{1,255}$",
    "description": "The sender's own key, as the header `Idempotency-Key` carries it.",
}


class FieldProblem(BaseModel):
    """One field that is wrong."""

    field: str
    value: str
    message: str


class Problem(BaseModel):
    """A refusal (RFC 9457). Decide by `code`."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(description="`urn:stockrelay:problem:` and the code.")]
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(examples=["invalid-command", "unauthorized", "unavailable"])]
    request_id: str = ""
    errors: list[FieldProblem] = []


class AcceptedCommand(BaseModel):
    """A command that is stored."""

    key: Key
    kind: str
    state: Annotated[str, Field(description="A state of the ledger, or `spooled` while Redis is away.")]
    duplicate: Annotated[bool, Field(description="True when it was stored before.")]


class Progress(BaseModel):
    """How far the children of a command are."""

    done: int
    total: int
    failed: int


class ShownCommand(BaseModel):
    """What became of a command."""

    key: Key
    vendor: str
    kind: str
    state: Annotated[str, Field(examples=[State.APPLIED.value])]
    summary: str
    reason: str
    attempts: Annotated[int, Field(description="Sends at the vendor.")] = 0
    accepted_ms: Milliseconds = 0
    updated_ms: Milliseconds = 0
    receipt: Annotated[dict[str, Any] | None, Field(description="What the vendor answered.")] = None
    progress: Progress | None = None
    children: list[str] = []
    parent: str = ""


class ShownCommands(BaseModel):
    """Several commands by their keys; null for a key that is not known."""

    commands: dict[str, ShownCommand | None]


class ScanResult(BaseModel):
    """What became of one item; `key` is null when it could not be read."""

    key: str | None
    status: Literal["stored", "duplicate", "refused", "unavailable"]
    state: str | None
    problem: Problem | None = None


class ScanResults(BaseModel):
    """One result for each item, in the order of the items."""

    results: list[ScanResult]


class CommandEvent(BaseModel):
    """The data of a `command.state` event."""

    key: str
    kind: str
    vendor: str
    state: Annotated[str, Field(description="`accepted`, or the state the command is in now.")]
    reason: str
    at_ms: Milliseconds
    client: str


class ShownThing(BaseModel):
    """What a vendor's id stands for."""

    id: str
    type: Literal["part", "storage", "lot", "order"]
    name: str
    archived: bool
    manufacturer: str


class FoundParts(BaseModel):
    """The parts of a part number; more than one is for a person to decide."""

    parts: list[ShownThing]
    known: bool


class LabelScan(BaseModel):
    """One scan of a label, as the scanner gave it, control characters and AIM identifier included."""

    model_config = ConfigDict(extra="forbid", strict=True)

    scan: Annotated[str, Field(min_length=1, max_length=MAX_LABEL_CHARACTERS)]


class ReadLabel(BaseModel):
    """What a label says; null where it says nothing. Text is as printed."""

    model_config = ConfigDict(extra="forbid")

    format: str
    fields: Annotated[dict[str, str], Field(description="By the format's own identifiers.")]
    vendor: Annotated[str | None, Field(description="Who sold it.")]
    supplier_sku: str | None
    mpn: str | None
    customer_part: str | None
    gtin: str | None
    manufacturer: str | None
    quantity: int | None
    customer_po: str | None
    po_line: str | None
    sales_order: str | None
    invoice: str | None
    packing_list: str | None
    lot: str | None
    date_code: str | None
    production_date: str | None
    best_before: str | None
    expiry: str | None
    country: str | None
    serial: str | None
    sscc: str | None
    vendor_id: str | None
    codes_to_check: Annotated[list[str], Field(description="Numbers to look up: all must lead to one part.")]
    repairs: Annotated[list[str], Field(description="Damage of the transport that was undone.")]
    doubts: Annotated[list[str], Field(description="Why it must not be booked without asking.")]
    unique_id: Annotated[str | None, Field(description="The same one never stands on two bags.")]


class RefusedLabel(BaseModel):
    """Why a scan is no label that can be booked, and what to change."""

    reason: str
    advice: str


class LabelAnswer(BaseModel):
    """Either the label or the refusal; the other is null."""

    label: ReadLabel | None
    refusal: RefusedLabel | None


class Health(BaseModel):
    """The process is alive."""

    status: Literal["alive"]


class ReadinessReport(BaseModel):
    """What was looked at, and what is weak."""

    status: Literal["ready"]
    warning: str = ""
    checks: dict[str, dict[str, Any]] = {}


def schemas_of(models: Iterable[type[BaseModel]]) -> dict[str, Any]:
    """Give the schemas of the models and of what they refer to, by name."""
    distinct = dict.fromkeys(models)
    _, found = models_json_schema([(model, "validation") for model in distinct], ref_template=REF)
    return dict(found.get("$defs", {}))


def command_schemas() -> dict[str, Any]:
    """Give the schemas of all commands that may be submitted, by kind, and `Command`: any of them."""
    models = {kind: command_type(kind) for kind in submittable_kinds()}
    # two vendors may each have a model of one name, so that pydantic says which name it gave to whom
    references, found = models_json_schema([(model, "validation") for model in models.values()], ref_template=REF)
    schemas = dict(found["$defs"])
    for kind, model in models.items():
        name = references[model, "validation"]["$ref"].removeprefix(REF.format(model=""))
        schemas[kind] = _of_kind(schemas.pop(name), kind)
    schemas["Command"] = {
        "title": "Command",
        "description": "Any of the commands, told apart by `kind`.",
        "oneOf": [{"$ref": REF.format(model=kind)} for kind in models],
        "discriminator": {"propertyName": "kind", "mapping": {kind: REF.format(model=kind) for kind in models}},
    }
    return schemas


def _of_kind(schema: dict[str, Any], kind: str) -> dict[str, Any]:
    source = {name: value for name, value in schema["properties"]["source"].items() if name != "default"}
    source["description"] = "Leave it out: it is the name of the client whose token is used."
    properties = {"kind": {"const": kind, "type": "string"}, **schema["properties"], "source": source}
    properties["idempotency_key"] = _IDEMPOTENCY_KEY
    properties["stock_timestamp"] = {
        **properties["stock_timestamp"],
        "minimum": MIN_TIMESTAMP_MS,
        "maximum": MAX_TIMESTAMP_MS,
        "description": "When it happened, UTC milliseconds; fixed at the event, the same in every repetition.",
    }
    return {
        **schema,
        "title": kind,
        "properties": properties,
        "required": ["kind", *schema.get("required", ())],
        "examples": [COMMANDS[kind]],
    }
