"""Cases of commands that become commands at several vendors; each is disturbed at another one of them."""

from __future__ import annotations

from typing import Any

from tasks.cad import ImportPart
from tasks.catalog import Attribute, AttributeValue, UpsertPart
from tasks.routing import route
from tests.conformance.catalogue.case import ROUTES, Scene, Vendors, case, event
from tests.sandbox.openbom import id_for as openbom_id
from tests.sandbox.partbolt import id_for as partbolt_id

STOCK = openbom_id("catalog", "Stock items")


def _everywhere(vendors: Vendors, part_id: str, name: str) -> dict[str, Any]:
    """Look at each vendor that a catalog part goes to."""
    catalog_part = vendors.partium.state.parts.get(part_id)
    return {
        "partium": catalog_part and catalog_part["name"],
        "partsbox": [name for part in vendors.partsbox.state.parts.values() if part["part/name"] == name],
        "openbom": vendors.openbom.vendor.documents[STOCK].values(name, "Bin"),
    }


@case("catalog.route_part", "part/create", writer="part.create")
def _route(vendors: Vendors) -> Scene:
    part_id, name = "route-part", "D-SIGNAL"
    weight = Attribute(attribute_id="weight", values=(AttributeValue(value={"en": "5 g"}),))
    part = UpsertPart(part_id=part_id, name={"en": name}, attributes=(weight,), **event())
    return Scene(
        route(part, ROUTES),
        about=name,
        found=lambda: _everywhere(vendors, part_id, name),
        wanted={"partium": {"en": name}, "partsbox": [name], "openbom": ["5 g"]},
    )


@case("cad.import_part", "catalog/propertyvalue", writer="catalog.set_property", read="catalog")
def _import(vendors: Vendors) -> Scene:
    part_id, name = partbolt_id("part", "LED-RED"), "LED-RED"
    return Scene(
        ImportPart(item_id=part_id, **event()),
        about=name,
        found=lambda: _everywhere(vendors, part_id, name),
        wanted={"partium": {"en": name}, "partsbox": [name], "openbom": ["EX-LED-R"]},
        read_about=STOCK,
    )
