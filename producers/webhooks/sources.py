"""The webhook sources of `stockrelay.toml`: `[sources.<name>]`, who sends, how it is proved, and what becomes of it."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from producers.webhooks.expressions import Expression
from tasks.registry import command_type, submittable_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: Of the Standard Webhooks specification and of Stripe: a replay of a captured request is refused after it.
TOLERANCE_SECONDS: Final = 300
#: Whoever rotates has two; more than a handful is a mistake, and each is tried for every request.
MAX_SECRETS: Final = 8
MAX_RULES: Final = 50
MAX_BODY_KIB: Final = 256
#: Set by the delivery itself.
_FIXED_FIELDS: Final = ("source", "stock_timestamp")
_PLACEHOLDERS: Final = re.compile(r"\{(id|timestamp|body)\}")
#: Schemes whose signature covers the moment of sending, so that a replay can be told.
_TIMED_SCHEMES: Final = frozenset({"standard-webhooks", "stripe"})


class SourcesError(ValueError):
    """The sources cannot be used; the text names the place in the file."""


def _lower(name: str) -> str:
    return name.lower()


def _outside_our_names(name: str) -> str:
    if name.startswith("STOCKRELAY_"):
        raise ValueError("begins with STOCKRELAY_, where every name is a setting of ours; choose another")
    return name


def _expression(text: object) -> object:
    return Expression(text) if isinstance(text, str) else text


def _fields(given: object) -> object:
    """Take text as an expression, `{ literal = … }` and every other value as it is."""
    if not isinstance(given, dict):
        return given
    taken: dict[str, Expression | FixedValue] = {}
    for name, value in given.items():
        try:
            taken[name] = _field(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return taken


def _field(value: object) -> Expression | FixedValue:
    if isinstance(value, str):
        return Expression(value)
    if isinstance(value, dict) and value.keys() == {"literal"}:
        return FixedValue(value["literal"])
    if isinstance(value, dict):
        raise ValueError("is a table; write an expression, or { literal = … }")  # noqa: TRY004  pydantic wants it
    return FixedValue(value)


class FixedValue:
    """A value that stands in the configuration."""

    def __init__(self, value: Any) -> None:
        self.value = value


HeaderName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,80}$"), AfterValidator(_lower)]
Compiled: TypeAlias = Annotated[Expression, BeforeValidator(_expression)]
TableName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
#: With the digest of a delivery's id it is the `source` of its commands.
SourceName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


class SecretPlace(_Section):
    """Where a secret is kept: the name of an environment variable, or of a file. Never the secret itself."""

    env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"), AfterValidator(_outside_our_names)] = ""
    file: str = ""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if bool(self.env) == bool(self.file):
            raise ValueError('give either env = "NAME" or file = "PATH"')
        return self

    def __str__(self) -> str:
        return f"variable {self.env}" if self.env else f"file {self.file}"


class EventId(_Section):
    """What tells one delivery from another and is the same on every retry of it.

    A header, a value of the event, or its `content`: then the same body is the same event.
    """

    header: HeaderName | None = None
    field: Compiled | None = None
    content: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("give one of header, field, content")
        return self


class EventTime(_Section):
    """The moment of the event as its sender tells it. ISO 8601 needs an offset or Z."""

    field: Compiled
    unit: Literal["ms", "s", "iso8601"]


class Signing(_Section):
    """How a sender of the scheme `hmac` signs: RFC 2104 over `signed`, in one header."""

    header: HeaderName
    algorithm: Literal["sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: Annotated[str, StringConstraints(max_length=40)] = ""
    #: What is signed: text with {body} and, if wanted, {timestamp} and {id} in it.
    signed: Annotated[str, StringConstraints(max_length=200)] = "{body}"
    #: Unix time in seconds; needed when `signed` holds {timestamp}.
    timestamp_header: HeaderName | None = None
    id_header: HeaderName | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        holds = _PLACEHOLDERS.findall(self.signed)
        if holds.count("body") != 1 or len(set(holds)) < len(holds):
            raise ValueError("signed: must hold {body} once, and {timestamp} and {id} at most once")
        for name, header in (("timestamp", self.timestamp_header), ("id", self.id_header)):
            if (name in holds) != (header is not None):
                raise ValueError(f"{name}_header: give it if, and only if, signed holds {{{name}}}")
        return self

    def parts(self) -> tuple[str, ...]:
        """Split `signed` into text (even places) and the names of what is put in between (odd places)."""
        return tuple(_PLACEHOLDERS.split(self.signed))


class Rule(_Section):
    """One mapping of an event to commands. `when` must be true; with `each` there is a command for each `item`."""

    when: Compiled | None = None
    kind: str
    each: Compiled | None = None
    fields: Annotated[dict[str, Expression | FixedValue], BeforeValidator(_fields), Field(min_length=1)]

    @model_validator(mode="after")
    def _a_command(self) -> Self:
        if self.kind not in submittable_kinds():
            raise ValueError(f"kind: {self.kind!r} is unknown; known are {', '.join(submittable_kinds())}")
        model = command_type(self.kind)
        known = [name for name in model.model_fields if name not in _FIXED_FIELDS]
        for name in self.fields:
            if name in _FIXED_FIELDS:
                raise ValueError(f"fields.{name}: is set by the delivery; take it out")
            if name not in known:
                raise ValueError(f"fields.{name}: {self.kind} has no such field; known are {', '.join(known)}")
        for name in known:
            if model.model_fields[name].is_required() and name not in self.fields:
                raise ValueError(f"fields.{name}: missing; {self.kind} needs it")
        return self


class Source(_Section):
    """One sender."""

    scheme: Literal["standard-webhooks", "github", "stripe", "shopify", "hmac", "bearer"]
    #: Several while one takes the place of another: each is tried.
    secrets: Annotated[tuple[SecretPlace, ...], Field(min_length=1, max_length=MAX_SECRETS, strict=False)]
    #: What the names of the Standard Webhooks headers begin with.
    header_prefix: Literal["webhook", "svix"] = "webhook"
    signature: Signing | None = None
    tolerance_seconds: Annotated[int, Field(gt=0, le=86_400)] = TOLERANCE_SECONDS
    format: Literal["json", "cloudevents"] = "json"
    id: EventId | None = None
    time: EventTime | None = None
    max_body_kib: Annotated[int, Field(gt=0, le=10_240)] = MAX_BODY_KIB
    #: Senders of CloudEvents that may ask whether they are welcome, by the origin they name.
    origins: Annotated[tuple[str, ...], Field(strict=False)] = ()
    tables: dict[TableName, dict[str, str]] = Field(default_factory=dict)
    commands: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=MAX_RULES, strict=False)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.scheme == "hmac") != (self.signature is not None):
            raise ValueError('signature: give it if, and only if, scheme is "hmac"')
        if "header_prefix" in self.model_fields_set and self.scheme != "standard-webhooks":
            raise ValueError("header_prefix: is for the scheme standard-webhooks")
        if "tolerance_seconds" in self.model_fields_set and not self.is_timed:
            raise ValueError("tolerance_seconds: the signatures of this scheme carry no time")
        if self.format == "cloudevents" and self.id is not None:
            raise ValueError("id: a CloudEvent has its own (source and id); take this out")
        if self.format == "json" and self.id is None and self.scheme in ("hmac", "bearer"):
            raise ValueError(
                "id: missing; say what tells deliveries apart: { header = … }, { field = … } or { content = true }"
            )
        return self

    @property
    def is_timed(self) -> bool:
        """Whether the signature covers the moment of sending."""
        return self.scheme in _TIMED_SCHEMES or (
            self.signature is not None and self.signature.timestamp_header is not None
        )


class _File(BaseModel):
    """The file as far as it is ours: other programs read its other tables."""

    model_config = ConfigDict(frozen=True)

    sources: dict[SourceName, Source] = Field(default_factory=dict)


def read_sources(path: Path | None) -> Mapping[str, Source]:
    """Read the sources; none without a file. Raises SourcesError naming the place that is wrong."""
    if path is None:
        return {}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourcesError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourcesError(f"{path}: not TOML: {error}") from error
    try:
        return _File.model_validate(found).sources
    except ValidationError as error:
        raise SourcesError(f"{path}: {next(_places(error))}") from None


def _places(error: ValidationError) -> Iterator[str]:
    for found in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(map(str, found["loc"])).removesuffix(".[key]") or "(file)"
        yield f"{where}: {found['msg'].removeprefix('Value error, ')}"
