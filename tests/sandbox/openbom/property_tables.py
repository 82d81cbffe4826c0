"""Property tables: the properties that documents of an account can use."""

from dataclasses import dataclass
from datetime import UTC, datetime

from tests.sandbox.openbom.documents import Column, name_uri
from tests.sandbox.openbom.ids import id_for
from tests.sandbox.openbom.wire import Record


@dataclass(frozen=True)
class PropertyTable:
    """A named list of properties."""

    id: str
    name: str
    owner: str
    columns: tuple[Column, ...]
    created_ms: int
    private: bool = False

    def listed(self) -> Record:
        """Give the table as an item of its listing (vendors.md 4.2, 5)."""
        return {
            "_id": self.id,
            "id": self.id,
            "uri": name_uri(self.owner, self.name),
            "name": self.name,
            "createdBy": self.owner,
            "updatedBy": None,
            "created": _iso(self.created_ms),
            "updated": _iso(self.created_ms),
            "private": self.private,
        }

    def shown(self) -> list[Record]:
        """Give its properties (vendors.md 4.2, 8)."""
        return [self._item(column) for column in self.columns]

    def _item(self, column: Column) -> Record:
        item_id = id_for("property", f"{self.name}/{column.name}")
        return {
            "_id": item_id,
            "id": item_id,
            "uri": name_uri(self.owner, column.name),
            "name": column.name,
            "sourcePropertyId": None,
            "privateTableId": self.id,
            "publicProperty": False,
            "status": "A",
            "datatype": column.datatype,
            "source": "U",
            "created_by": self.owner,
            "created": _iso(self.created_ms),
            "updated": _iso(self.created_ms),
        }


def _iso(moment_ms: int) -> str:
    moment = datetime.fromtimestamp(moment_ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment_ms % 1000:03d}Z"
