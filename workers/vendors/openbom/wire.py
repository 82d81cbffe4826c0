"""The JSON of OpenBOM: the document's field names on one side, plain records on the other."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Final

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, StringConstraints, TypeAdapter, ValidationError

from tasks.boms import Document
from workers.vendors.models import AnswerModel, Request, Text, Whole
from workers.vendors.openbom.session import PLAIN, Token

#: The document's path of the login, the one request without a token.
LOGIN: Final = "login"
#: The document's life of a token, for an answer that does not say it.
_TOKEN_SECONDS: Final = 86_400
#: Servers take 8 to 16 KiB of headers altogether.
_MAX_TOKEN: Final = 16_384


class _LoginAnswer(AnswerModel):
    access_token: Annotated[str, StringConstraints(pattern=PLAIN, max_length=_MAX_TOKEN)]
    expires_in: Whole = _TOKEN_SECONDS


class ListedDocument(AnswerModel):
    """What every BOM and catalog is listed with; times are UTC milliseconds."""

    id: Text
    name: Text
    node_id: Whole | None = Field(default=None, alias="nodeId")
    user: Text | None = None
    status: Text | None = None
    permission_string: Text | None = Field(default=None, alias="permissionString")
    permission: Whole | None = None
    modified_by: Text | None = Field(default=None, alias="modifiedBy")
    modified: Whole | None = None


class ListedBom(ListedDocument):
    """A BOM in a listing, an order BOM (`production_batch`) too; the document's example of these has no part number."""

    bom_id: Text | None = Field(default=None, alias="bomId")
    name_uri: Text | None = Field(default=None, alias="nameuri")
    bom_part_number: Text | None = Field(default=None, alias="bomPartNumber")
    production_batch: bool | None = Field(default=None, alias="productionBatch")
    released: bool | None = None


class ListedCatalog(ListedDocument):
    """A catalog in a listing."""

    items_id: Text | None = Field(default=None, alias="itemsId")


class ListedPropertyTable(AnswerModel):
    """A property table in a listing; times are ISO 8601."""

    id: Text
    name: Text
    uri: Text | None = None
    created_by: Text | None = Field(default=None, alias="createdBy")
    updated_by: Text | None = Field(default=None, alias="updatedBy")
    created: Text | None = None
    updated: Text | None = None
    private: bool | None = None


class Property(AnswerModel):
    """One property of a property table; `datatype` and `source` are the vendor's letters."""

    id: Text
    name: Text
    uri: Text | None = None
    source_property_id: Text | None = Field(default=None, alias="sourcePropertyId")
    private_table_id: Text | None = Field(default=None, alias="privateTableId")
    public_property: bool | None = Field(default=None, alias="publicProperty")
    status: Text | None = None
    datatype: Text | None = None
    source: Text | None = None
    created_by: Text | None = None
    created: Text | None = None
    updated: Text | None = None


BOMS: Final = TypeAdapter(tuple[ListedBom, ...])
CATALOGS: Final = TypeAdapter(tuple[ListedCatalog, ...])
PROPERTY_TABLES: Final = TypeAdapter(tuple[ListedPropertyTable, ...])
PROPERTIES: Final = TypeAdapter(tuple[Property, ...])


class _Column(AnswerModel):
    id: Text | None = Field(default=None, validation_alias=AliasChoices("id", "_id"))
    name: Text


def _cell(value: object) -> object:
    """Make a value that can be stored and compared: text, number, true, false or nothing."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return json.dumps(value, sort_keys=True)


_Cell = Annotated[Any, BeforeValidator(_cell)]
_Rows = tuple[tuple[Any, ...], ...]


class _Document(AnswerModel):
    id: Text | None = Field(default=None, validation_alias=AliasChoices("id", "_id"))
    name: Text | None = None
    #: Names, or names with ids; the document itself shows neither.
    columns: tuple[Text | _Column, ...] | dict[str, Text | _Column] | None = None
    cells: tuple[tuple[_Cell, ...], ...] | None = None
    data: dict[str, dict[str, _Cell]] | None = None

    def names(self) -> dict[str, str]:
        """Give the columns' names by their ids; a column that has only one of them is called by it."""
        match self.columns:
            case None:
                return {}
            case dict() as columns:
                return {column_id: _name(column) for column_id, column in columns.items()}
            case columns:
                return {_id(column): _name(column) for column in columns}


def _name(column: str | _Column) -> str:
    return column if isinstance(column, str) else column.name


def _id(column: str | _Column) -> str:
    return column if isinstance(column, str) else column.id or column.name


def token(body: Any) -> Token:
    """Read the answer of a login; ValueError, which quotes nothing of it, when it has no token."""
    try:
        answer = _LoginAnswer.model_validate(body)
    except ValidationError:
        raise ValueError("no access_token, or not in the form of one") from None
    return Token(SecretStr(answer.access_token), float(answer.expires_in))


def document(body: Any, document_id: str) -> Document:
    """Read a BOM or catalog in either shape; ValueError when it can't be.

    The document shows `data`, by row id and column id, and no names; clients in use read `columns` and `cells`.
    """
    read = _Document.model_validate(body)
    if read.id not in (None, document_id):
        raise ValueError("another document than the one asked for")
    if read.cells is not None:
        columns, rows = _from_cells(read.columns, read.cells)
    elif read.data is not None:
        columns, rows = _from_data(read, read.data)
    else:
        raise ValueError("neither cells nor data")
    return Document(document_id, read.name or "", columns, rows)


def _from_cells(columns: object, cells: _Rows) -> tuple[tuple[str, ...], _Rows]:
    if not isinstance(columns, tuple):
        raise ValueError("cells without a list of columns")  # noqa: TRY004  an answer's form, not our mistake
    return tuple(map(_name, columns)), tuple(_row(row, len(columns)) for row in cells)


def _from_data(read: _Document, data: dict[str, dict[str, Any]]) -> tuple[tuple[str, ...], _Rows]:
    names = read.names()
    unlisted = dict.fromkeys(column_id for row in data.values() for column_id in row if column_id not in names)
    if unlisted and isinstance(read.columns, tuple) and any(isinstance(column, str) for column in read.columns):
        raise ValueError("names without ids, and data by ids")
    by_id = names | {column_id: column_id for column_id in unlisted}
    return tuple(by_id.values()), tuple(tuple(row.get(column_id) for column_id in by_id) for row in data.values())


def _row(cells: tuple[Any, ...], width: int) -> tuple[Any, ...]:
    if len(cells) > width:
        raise ValueError("a row with more cells than there are columns")
    return cells + (None,) * (width - len(cells))


class SetProperty(Request):
    """propertyvalue of a BOM or a catalog: all four are texts, and compulsory."""

    part_number_property: str = Field(alias="partNumberPropertyName")
    part_number: str = Field(alias="partNumber")
    property: str = Field(alias="propertyName")
    value: str = Field(alias="propertyValue")
