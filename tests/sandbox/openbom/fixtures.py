"""Loading accounts, documents and property tables past the HTTP API, which can create none of them."""

from typing import Any

from tests.sandbox.openbom.accounts import EMAIL
from tests.sandbox.openbom.documents import Column, Document
from tests.sandbox.openbom.ids import id_for
from tests.sandbox.openbom.property_tables import PropertyTable
from tests.sandbox.openbom.vendor import Vendor
from tests.sandbox.openbom.wire import Record

#: parts of the store room, with their quantities on hand; the first twelve are also in the other vendors' warehouses
STOCK = {
    "R-10R": 1000, "R-100R": 1000, "R-1K": 1000, "R-10K": 1000, "R-100K": 0, "R-1M": 0,
    "C-10N": 500, "C-100N": 500, "C-1U": 500, "C-10U": 500, "C-47U": 0, "C-100U": 0,
    "D-SIGNAL": 250, "LED-RED": 120, "LED-GREEN": 80, "Q-NPN": 60, "IC-TIMER": 25, "X-16MHZ": 40, "J-HDR-10": 75,
    "SW-TACT": 33,
}  # fmt: skip

#: property -> the vendor's datatype, N for numbers and T for texts
ITEM_COLUMNS = {
    "Part Number": "T",
    "Description": "T",
    "Bin": "T",
    "Quantity On Hand": "N",
    "Reorder Level": "N",
}
BOM_COLUMNS = {"Level": "T", "Part Number": "T", "Description": "T", "Quantity": "N", "Total Quantity": "N"}


def _bom_row(level: str, part_number: str, quantity: str, total: int) -> Record:
    return {"Level": level, "Part Number": part_number, "Quantity": quantity, "Total Quantity": total}


#: a small store room; ids come from the names, see id_for
WAREHOUSE: Record = {
    "boms": [
        {
            "name": "Controller board",
            "columns": BOM_COLUMNS,
            "rows": [
                _bom_row("1", "PSU-MODULE", "1", 1),
                _bom_row("1.1", "R-10R", "4", 4),
                _bom_row("1.2", "C-10N", "2", 2),
                _bom_row("2", "CPU-MODULE", "2", 2),
                _bom_row("2.1", "R-1K", "8", 16),
                _bom_row("2.2", "C-100N", "6", 12),
                _bom_row("2.3", "IC-TIMER", "1", 2),
                _bom_row("3", "J-HDR-10", "3", 3),
            ],
        },
        {
            # R-10K is on two rows
            "name": "Sensor board",
            "columns": BOM_COLUMNS,
            "released": True,
            "rows": [
                _bom_row("1", "R-10K", "2", 2),
                _bom_row("2", "C-1U", "3", 3),
                _bom_row("3", "R-10K", "5", 5),
                _bom_row("4", "LED-RED", "1", 1),
            ],
        },
    ],
    "orderboms": [
        {
            "name": "Order 1 Controller board",
            "columns": {"Part Number": "T", "Order Quantity": "N", "Received": "N"},
            "rows": [
                {"Part Number": part_number, "Order Quantity": "100", "Received": "0"}
                for part_number in ("R-100K", "R-1M", "C-47U", "C-100U")
            ],
        },
    ],
    "catalogs": [
        {
            "name": "Stock items",
            "columns": ITEM_COLUMNS,
            "rows": [
                {
                    "Part Number": part_number,
                    "Description": f"Store room item {part_number}",
                    "Bin": f"A-{position:02d}",
                    "Quantity On Hand": str(quantity),
                    "Reorder Level": 100,
                }
                for position, (part_number, quantity) in enumerate(STOCK.items(), 1)
            ],
        },
        {
            # has no Part Number, and properties that were never set
            "name": "Tools",
            "columns": {"Item Number": "T", "Description": "T", "Quantity On Hand": "N"},
            "rows": [
                {"Item Number": "T-CRIMP", "Description": "Crimping tool", "Quantity On Hand": "2"},
                {"Item Number": "T-IRON", "Quantity On Hand": "5"},
                {"Item Number": "T-SCOPE"},
            ],
        },
    ],
    "propertytables": [
        {"name": "Stock properties", "columns": {"Quantity On Hand": "N", "Reorder Level": "N", "Bin": "T"}},
        {"name": "Order properties", "columns": {"Order Quantity": "N", "Received": "N"}},
    ],
}

SEEDS: dict[str, Record] = {"empty": {}, "warehouse": WAREHOUSE}

#: `nodeId` of the first document; the next one has the next number
FIRST_NODE_ID = 7001


class Loader:
    """Puts records straight into the vendor's memory; ids come from the names unless given."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor

    def account(self, app_key: str, email: str, password: str) -> None:
        """Add an account and the app key that was issued to it."""
        self._vendor.accounts.add(app_key, email, password)

    def catalog(self, name: str, columns: dict[str, str], rows: list[Record], **fields: Any) -> str:
        """Add a catalog and give its id; `columns` tells the datatypes, N or T, fields are those of Document."""
        return self._document("catalog", name, columns, rows, **fields)

    def bom(self, name: str, columns: dict[str, str], rows: list[Record], **fields: Any) -> str:
        """Add a BOM, an order BOM when `production_batch`, and give its id; otherwise as `catalog`."""
        return self._document("bom", name, columns, rows, **fields)

    def property_table(self, name: str, columns: dict[str, str], *, private: bool = False) -> str:
        """Add a property table and give its id."""
        table_id = id_for("propertytable", name)
        self._vendor.property_tables[table_id] = PropertyTable(
            table_id, name, EMAIL, tuple(_columns(columns)), self._vendor.clock.now_ms(), private
        )
        return table_id

    def load(self, fixture: Record) -> Record:
        """Load a whole fixture, as the control API receives it (shape: WAREHOUSE), and give the ids by noun."""
        for account in fixture.get("accounts", []):
            self.account(**account)
        return {
            "boms": [self.bom(**bom) for bom in fixture.get("boms", [])],
            "orderboms": [self.bom(**bom, production_batch=True) for bom in fixture.get("orderboms", [])],
            "catalogs": [self.catalog(**catalog) for catalog in fixture.get("catalogs", [])],
            "propertytables": [self.property_table(**table) for table in fixture.get("propertytables", [])],
        }

    def _document(self, kind: str, name: str, columns: dict[str, str], rows: list[Record], **fields: Any) -> str:
        now_ms = self._vendor.clock.now_ms()
        document = Document(
            kind=kind,
            id=fields.pop("document_id", None) or id_for(kind, name),
            name=name,
            node_id=FIRST_NODE_ID + len(self._vendor.documents),
            owner=EMAIL,
            columns=_columns(columns),
            created_ms=now_ms,
            modified_ms=now_ms,
            modified_by=EMAIL,
            **fields,
        )
        for row in rows:
            document.add_row(row)
        self._vendor.documents[document.id] = document
        return document.id


def _columns(columns: dict[str, str]) -> list[Column]:
    return [Column(name, numeric=datatype == "N") for name, datatype in columns.items()]
