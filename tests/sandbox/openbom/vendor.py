"""The vendor without HTTP: its documents, and every operation on them."""

from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.clock import Clock
from tests.sandbox.journal import RequestRecord
from tests.sandbox.openbom.accounts import Accounts
from tests.sandbox.openbom.assumptions import Assumptions
from tests.sandbox.openbom.documents import Document
from tests.sandbox.openbom.journal import Effect, Journal, subject_of
from tests.sandbox.openbom.operations import DOCUMENT_KINDS, OPERATIONS
from tests.sandbox.openbom.property_tables import PropertyTable
from tests.sandbox.openbom.wire import Record, text_of
from tests.sandbox.wire import RefusedError

#: the parameters of a write, all mandatory texts
PARAMETERS = ("partNumberPropertyName", "partNumber", "propertyName", "propertyValue")

UPDATED = {"message": "property value updated."}


@dataclass
class Vendor:
    """Documents, property tables and accounts; usable alone, for simulations on a virtual clock."""

    clock: Clock
    assumptions: Assumptions
    accounts: Accounts
    journal: Journal
    documents: dict[str, Document] = field(default_factory=dict)
    property_tables: dict[str, PropertyTable] = field(default_factory=dict)

    def document(self, kind: str, document_id: str) -> Document:
        """Find a document of this kind; raises RefusedError."""
        document = self.documents.get(document_id)
        if document is None or document.kind != kind:
            raise RefusedError("unknown-document", f"Document [{document_id}] not found")
        return document

    def read(self, operation: str, params: Record) -> Any:
        """Answer a GET; raises RefusedError."""
        if operation in DOCUMENT_KINDS:
            return self.document(DOCUMENT_KINDS[operation], params["id"]).shown(self.assumptions)
        if operation == "propertytables":
            return [table.listed() for table in self.property_tables.values()]
        if operation == "propertytable":
            return self._property_table(params["id"]).shown()
        return [document.listed() for document in self._listing(operation)]

    def write(
        self,
        operation: str,
        params: Record,
        user: str,
        *,
        foreign: bool = False,
        request: RequestRecord | None = None,
    ) -> Record:
        """Set one cell and note it; raises RefusedError, then nothing was changed."""
        if operation not in OPERATIONS or not OPERATIONS[operation].writes:
            raise RefusedError("unknown-path", f"{operation} is no write")
        key_name, part_number, property_name, value = (text_of(params, name) for name in PARAMETERS)
        document = self.document(DOCUMENT_KINDS[operation], params["id"])
        row = document.first_row(document.column(key_name), part_number)
        column = document.column(property_name)
        before = row.cells.get(column.id)
        row.cells[column.id] = value
        document.modified_ms, document.modified_by = self.clock.now_ms(), user
        effect = Effect(
            operation=operation,
            user=user,
            foreign=foreign,
            subjects=(subject_of(document.kind, document.id, part_number),),
            property_name=property_name,
            before=before,
            after=value,
        )
        self.journal.enter(effect, request)
        return UPDATED

    def describe(self) -> Record:
        """Give everything remembered as JSON, with values by property name; tokens and keys are left out."""
        return {
            "documents": [document.described() for document in self.documents.values()],
            "property_tables": [table.listed() for table in self.property_tables.values()],
            "logins": self.accounts.logins,
            "live_tokens": self.accounts.live_tokens(),
            "clock_offset_ms": self.clock.offset_ms,
        }

    def _listing(self, operation: str) -> list[Document]:
        kind = "catalog" if operation == "catalogs" else "bom"
        ordered = operation == "orderboms"
        return [d for d in self.documents.values() if d.kind == kind and d.production_batch == ordered]

    def _property_table(self, table_id: str) -> PropertyTable:
        if table_id not in self.property_tables:
            raise RefusedError("unknown-document", f"Property table [{table_id}] not found")
        return self.property_tables[table_id]
