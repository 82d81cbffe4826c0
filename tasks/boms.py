"""BOM commands: setting one property of one row of a bill of materials or a catalog, and how that is proved."""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Protocol, TypeVar

from pydantic import AfterValidator, StringConstraints

from tasks.absolute import Absolute
from tasks.commands import Command, PlainText, ShortText
from tasks.effects import Effect
from tasks.errors import RejectedError
from tasks.identity import IDENTITY
from tasks.lookup import Absent, Finding, Landed, Proof, Undecidable, Why
from tasks.ports import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.errors import Exchange
    from tasks.ports import Sending
    from tasks.task import Target, Task

#: OpenBOM's ids are UUIDs; as lenient as a path of an address allows.
DOCUMENT_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
#: The property that OpenBOM's own examples find a row by.
PART_NUMBER: Final = "Part Number"
#: Columns that a refusal lists.
_LISTED_COLUMNS: Final = 30
#: A longer text in a cell is kept as its beginning and its digest: enough to see that it is as it was.
_KEPT_LENGTH: Final = 1_500
#: A number as people write one. "0402" is a size, and "1e3" a name.
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?")


def _unpadded(text: str) -> str:
    if text != text.strip():
        raise ValueError("begins or ends with a space; leave it out")
    return text


DocumentId = Annotated[str, StringConstraints(pattern=DOCUMENT_ID)]
#: A property, or what stands in one to find a row by.
Name = Annotated[ShortText, AfterValidator(_unpadded)]


@dataclass(frozen=True, slots=True)
class Document:
    """A BOM or a catalog: named columns, and rows with a value, or None, for each of them."""

    document_id: str
    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class BomPort(Protocol):
    """BOMs and catalogs of a vendor. Every method raises the vendor errors of `tasks.errors`; none retries."""

    async def bom(self, bom_id: str) -> Document | None:
        """Read a BOM; None when there is none."""

    async def catalog(self, catalog_id: str) -> Document | None:
        """Read a catalog; None when there is none."""

    async def set_bom_property(self, command: SetBomProperty, sending: Sending) -> Exchange:
        """Set one property of one row of a BOM."""

    async def set_catalog_property(self, command: SetCatalogProperty, sending: Sending) -> Exchange:
        """Set one property of one row of a catalog."""


class SetProperty(Command):
    """Set one property of the one row that has a part number; serial with every other change of that row."""

    vendor: ClassVar[str] = "openbom"
    effect: ClassVar[Effect] = Effect.SET

    part_number: Annotated[Name, IDENTITY]
    property: Annotated[Name, IDENTITY]
    #: Always a text; the vendor makes a number of it where the property is one. Empty clears the property.
    value: Annotated[PlainText, IDENTITY]
    #: The property that part numbers stand in.
    part_number_property: Annotated[Name, IDENTITY] = PART_NUMBER

    def rows(self) -> tuple[str, ...]:
        """Name the rows that it is about; one that gets another part number is two."""
        renamed = self.value.strip() if self.property == self.part_number_property else ""
        return tuple(dict.fromkeys(filter(None, (self.part_number, renamed))))

    def summary(self) -> str:
        value = " ".join(self.value.split())
        return f"set {self.property[:40]} of {self.part_number[:40]} to {value[:40]}"


class SetBomProperty(SetProperty):
    """Set a property of a row of a bill of materials (OpenBOM, "Update bom document property value")."""

    kind: ClassVar[str] = "bom.set_property"

    bom_id: Annotated[DocumentId, IDENTITY]

    def lanes(self) -> tuple[str, ...]:
        return tuple(f"bom:{self.bom_id}:{row}" for row in self.rows())


class SetCatalogProperty(SetProperty):
    """Set a property of a row of a catalog (OpenBOM, "Update catalog document property value")."""

    kind: ClassVar[str] = "catalog.set_property"

    catalog_id: Annotated[DocumentId, IDENTITY]

    def lanes(self) -> tuple[str, ...]:
        return tuple(f"catalog-row:{self.catalog_id}:{row}" for row in self.rows())


def same_value(cell: Any, wanted: str) -> bool:
    """Tell whether a cell holds what a text asks for.

    Spaces around it do not count, and nothing is the same as an empty text. The document's own example sets "25" where
    numbers are read back, so a number (25, 25.0) is the same as a text of that number ("25", "25.0"). Two texts are the
    same only letter by letter: revision 1.10 is not 1.1, and size 0402 is not 402.
    """
    wanted = wanted.strip()
    if isinstance(cell, int | float) and not isinstance(cell, bool) and _NUMBER.fullmatch(wanted):
        return Decimal(str(cell)) == Decimal(wanted)
    return _text(cell) == wanted


def _text(cell: Any) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case float() if cell.is_integer():
            return str(int(cell))
    return str(cell).strip()


def _kept(cell: Any) -> Any:
    if not isinstance(cell, str) or len(cell) <= _KEPT_LENGTH:
        return cell
    return f"{cell[:_KEPT_LENGTH]}… (sha256 {hashlib.sha256(cell.encode()).hexdigest()})"


def _column(document: Document, name: str, field: str) -> int:
    """Find the one column of that name, for a command's field."""
    found = [place for place, column in enumerate(document.columns) if column.strip() == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise RejectedError(f"{field}: {len(found)} columns are called {name}", code="ambiguous")
    listed = ", ".join(column[:40] for column in document.columns[:_LISTED_COLUMNS]) or "none"
    more = len(document.columns) - _LISTED_COLUMNS
    listed += f" and {more} more" if more > 0 else ""
    raise RejectedError(f"{field}: there is no column {name}; there are {listed}", code="not-found")


C = TypeVar("C", bound=SetProperty)


class PropertyWrite(Absolute[C]):
    """Sets a property where exactly one row has the part number: which of several the vendor changes is not known."""

    names_it = "part_number"

    @abstractmethod
    async def document(self, command: C, port: BomPort) -> Document:
        """Read the document; RejectedError where there is none."""

    async def read(self, command: C, target: Target[BomPort]) -> Record | None:
        document = await self.document(command, target.port)
        numbers = _column(document, command.part_number_property, "part_number_property")
        place = _column(document, command.property, "property")
        rows = [row for row in document.rows if _text(row[numbers]) == command.part_number]
        if len(rows) > 1:
            raise RejectedError(f"part_number: {len(rows)} rows have {command.part_number}", code="ambiguous")
        if not rows:
            return None
        cell = f"{document.document_id}:{command.part_number}:{command.property}"
        return Record("cell", cell, {"value": _kept(rows[0][place])})

    def holds(self, record: Record, command: C) -> bool:
        return same_value(record.fields["value"], command.value)

    async def proof(self, command: C, target: Target[Any]) -> Finding:
        match await self.look(command, target):
            case Undecidable(Why.AMBIGUOUS) as several:
                return several  # the vendor changed one of them
            case Absent():
                return Undecidable(Why.IGNORED)
            case Undecidable(_, entries):
                return Landed(entries, Proof.ANSWER)
            case landed:
                return landed

    async def look(self, command: C, target: Target[Any]) -> Finding:
        try:
            return await super().look(command, target)
        except RejectedError as error:
            if error.code != "ambiguous":
                raise
            return Undecidable(Why.AMBIGUOUS)


class BomPropertyWrite(PropertyWrite[SetBomProperty]):
    """Applies bom.set_property."""

    async def document(self, command: SetBomProperty, port: BomPort) -> Document:
        return _there(await port.bom(command.bom_id), "bom_id", command.bom_id)

    async def send(self, command: SetBomProperty, target: Target[BomPort], sending: Sending) -> Exchange:
        return await target.port.set_bom_property(command, sending)


class CatalogPropertyWrite(PropertyWrite[SetCatalogProperty]):
    """Applies catalog.set_property."""

    async def document(self, command: SetCatalogProperty, port: BomPort) -> Document:
        return _there(await port.catalog(command.catalog_id), "catalog_id", command.catalog_id)

    async def send(self, command: SetCatalogProperty, target: Target[BomPort], sending: Sending) -> Exchange:
        return await target.port.set_catalog_property(command, sending)


def _there(document: Document | None, field: str, document_id: str) -> Document:
    if document is None:
        raise RejectedError(f"{field}: there is no {document_id}", code="not-found")
    return document


TASKS: Final[Mapping[type[Command], Task[Any]]] = {
    SetBomProperty: BomPropertyWrite(),
    SetCatalogProperty: CatalogPropertyWrite(),
}
