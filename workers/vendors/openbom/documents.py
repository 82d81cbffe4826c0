"""The documents of OpenBOM: BOMs, catalogs and property tables, listed, read, and one property of a row set."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from tasks.boms import DOCUMENT_ID
from tasks.errors import RejectedError
from workers.vendors.openbom import wire
from workers.vendors.openbom.client import Capability

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tasks.boms import Document, SetBomProperty, SetCatalogProperty, SetProperty
    from tasks.errors import Exchange
    from tasks.ports import Sending

R = TypeVar("R")


class OpenBomDocuments(Capability):
    """Documents at OpenBOM; see `tasks.boms.BomPort`."""

    async def boms(self) -> tuple[wire.ListedBom, ...]:
        """List the BOMs that our user may see."""
        return await self._client.listed("boms", wire.BOMS.validate_python)

    async def order_boms(self) -> tuple[wire.ListedBom, ...]:
        """List the order BOMs that our user may see."""
        return await self._client.listed("orderboms", wire.BOMS.validate_python)

    async def catalogs(self) -> tuple[wire.ListedCatalog, ...]:
        """List the catalogs that our user may see."""
        return await self._client.listed("catalogs", wire.CATALOGS.validate_python)

    async def property_tables(self) -> tuple[wire.ListedPropertyTable, ...]:
        """List the property tables that our user may see."""
        return await self._client.listed("propertytables", wire.PROPERTY_TABLES.validate_python)

    async def property_table(self, table_id: str) -> tuple[wire.Property, ...] | None:
        """Read the properties of a property table; None when there is no such table."""
        path = _path("propertytable", table_id)
        return await _or_none(self._client.listed, path, wire.PROPERTIES.validate_python)

    async def bom(self, bom_id: str) -> Document | None:
        return await self._document("bom", bom_id)

    async def catalog(self, catalog_id: str) -> Document | None:
        return await self._document("catalog", catalog_id)

    async def set_bom_property(self, command: SetBomProperty, sending: Sending) -> Exchange:
        return await self._set("bom", command.bom_id, command, sending)

    async def set_catalog_property(self, command: SetCatalogProperty, sending: Sending) -> Exchange:
        return await self._set("catalog", command.catalog_id, command, sending)

    async def _document(self, noun: str, document_id: str) -> Document | None:
        path = _path(noun, document_id)
        return await _or_none(self._client.ask, path, lambda body: wire.document(body, document_id))

    async def _set(self, noun: str, document_id: str, command: SetProperty, sending: Sending) -> Exchange:
        request = wire.SetProperty(
            part_number_property=command.part_number_property,
            part_number=command.part_number,
            property=command.property,
            value=command.value,
        )
        return await self._client.change(f"{_path(noun, document_id)}/propertyvalue", request, sending)


async def _or_none(ask: Any, path: str, convert: Callable[[Any], R]) -> R | None:
    try:
        found: R = await ask(path, convert)
    except RejectedError as error:
        if error.code != "not-found":
            raise
        return None
    return found


def _path(noun: str, document_id: str) -> str:
    if not re.fullmatch(DOCUMENT_ID, document_id):
        raise ValueError(f"{noun}: not the id of a document: {document_id!r:.80}")
    return f"{noun}/{document_id}"
