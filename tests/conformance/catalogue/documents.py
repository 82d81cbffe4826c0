"""Cases of OpenBOM: one property of one row of a BOM or a catalog."""

from __future__ import annotations

from tasks.boms import SetBomProperty, SetCatalogProperty
from tests.conformance.catalogue.case import COLLEAGUE, Scene, Vendors, case, event
from tests.sandbox.openbom import id_for

BOARD, STOCK = id_for("bom", "Controller board"), id_for("catalog", "Stock items")


def _theirs(document: str, part_number: str, column: str) -> dict[str, str]:
    return {
        "id": document,
        "partNumberPropertyName": "Part Number",
        "partNumber": part_number,
        "propertyName": column,
        "propertyValue": "77",
    }


@case("bom.set_property", "bom/propertyvalue", read="bom")
def _bom(vendors: Vendors) -> Scene:
    document = vendors.openbom.vendor.documents[BOARD]
    theirs = _theirs(BOARD, "IC-TIMER", "Quantity")
    return Scene(
        SetBomProperty(bom_id=BOARD, part_number="IC-TIMER", property="Quantity", value="25", **event()),
        about="IC-TIMER",
        found=lambda: document.values("IC-TIMER", "Quantity"),
        wanted=["25"],
        meddle=lambda: vendors.openbom.write_as(COLLEAGUE, "bom/propertyvalue", theirs),
        read_about=BOARD,
    )


@case("catalog.set_property", "catalog/propertyvalue", read="catalog")
def _catalog(vendors: Vendors) -> Scene:
    document = vendors.openbom.vendor.documents[STOCK]
    theirs = _theirs(STOCK, "J-HDR-10", "Quantity On Hand")
    return Scene(
        SetCatalogProperty(
            catalog_id=STOCK, part_number="J-HDR-10", property="Quantity On Hand", value="25", **event()
        ),
        about="J-HDR-10",
        found=lambda: document.values("J-HDR-10", "Quantity On Hand"),
        wanted=["25"],
        meddle=lambda: vendors.openbom.write_as(COLLEAGUE, "catalog/propertyvalue", theirs),
        read_about=STOCK,
    )
