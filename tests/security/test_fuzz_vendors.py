"""Vendors' answers: whatever JSON one is, only a vendor error comes out, and what is read can be stored."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tasks.errors import VendorError
from tests.openbom_account import openbom
from tests.scripted_vendor import API_KEY, OK, Limiter, Session
from tests.security.depth import fuzz
from tests.security.hostile import as_json, damaged, json_values, nearly
from workers.vendors.base import Endpoint
from workers.vendors.partbolt import PartBolt
from workers.vendors.partium import Partium
from workers.vendors.partsbox import PartsBox

if TYPE_CHECKING:
    import aiohttp

ID: Final = "p" * 26
ENTRY: Final = {
    "stock/quantity": 3, "stock/timestamp": 1_700_000_000_000, "stock/id": ID, "stock/part-id": ID, "stock/lot-id": ID,
    "stock/storage-id": ID, "stock/comments": "from the shelf", "stock/user": "invented", "stock/status": "ordered",
    "stock/order-id": ID, "stock/price": 0.1, "stock/currency": "usd", "order-entry/part-id": ID,
}  # fmt: skip
#: Whatever is asked for finds its fields in here: readers leave out what they do not know.
RECORD: Final = ENTRY | {
    "part/id": ID, "part/name": "R-1K", "part/type": "local", "part/tags": ["a"], "part/stock": [ENTRY],
    "part/low-stock": {"report": 5}, "part/attrition": {"percentage": 2}, "part/custom-fields": {"x": "y"},
    "part/part-ids": [ID], "part/substitute-ids": [ID], "storage/id": ID, "storage/name": "shelf", "storage/tags":
    ["b"], "order/id": ID, "order/status": "open", "order/number": "7", "order/entries": [ENTRY], "order/created":
    1, "lot/id": ID, "lot/name": "L1", "lot/created": 1, "lot/part-id": ID, "project/id": ID, "project/name":
    "board", "entry/id": ID, "entry/part-id": ID, "entry/quantity": 2, "entry/designators": ["R1"], "build/id": ID,
    "build/project-id": ID, "build/quantity": 1, "source/part-id": ID, "source/storage-id": ID, "source/quantity":
    5, "source/status": None, "source/first-timestamp": 1, "source/last-timestamp": 2,
}  # fmt: skip
PARTSBOX_SAMPLES: Final = [OK | {"data": RECORD}, OK | {"data": [RECORD, RECORD]}, OK | {"data": 5}, OK | RECORD]
ROW: Final = {"id": ID, "name": "Stock items", "uri": "u", "createdBy": "ann@example.test", "private": False}
OPENBOM_SAMPLES: Final = [
    [ROW, ROW],
    ROW | {"columns": ["Part Number", "Quantity"], "cells": [["a", 1], ["b", 2.5]]},
    {"data": {"a": {"Quantity": 1, "Description": None}}, "columns": {"1": {"id": "1", "name": "Quantity"}}},
]
PARTIUM_SAMPLES: Final = [
    [
        {"part_id": "a", "name": {"en": "Screw"}, "attributes": []},
        {"ass_id": "a", "parent_id": "", "name": {"en": "E"}},
    ],
    {"created": ["a"], "updated": [], "errors": {}},
    {"detail": [{"loc": ["body"], "msg": "no", "type": "x"}]},
]
PARTBOLT_SAMPLES: Final = [
    {"status": "ok", "data": {"id": "1", "lots": [{"quantity": 3}], "name": "x"}},
    {"status": "error", "error": {"code": "not_found", "message": "No.", "fields": {"id": "unknown"}}},
]
STATUSES: Final = st.sampled_from([200, 200, 200, 200, 202, 204, 301, 400, 401, 404, 429, 500, 503])


class Stored:
    """A Redis in which OpenBOM's token is."""

    async def get(self, _: str) -> str:
        return "invented-token"

    async def set(self, *_: object, **__: object) -> None:
        """Take another one."""

    def lock(self, *_: object, **__: object) -> Any:
        return self

    async def acquire(self, **_: object) -> bool:
        return True

    async def extend(self, *_: object, **__: object) -> None:
        """Keep what is held."""

    release = extend


def endpoint(headers: Any) -> Endpoint:
    return Endpoint("https://vendor.test/api/1", headers, timeout_seconds=30, settle_seconds=60)


def adapter(vendor: str, session: Session) -> Any:
    """Open a vendor over a script, as `workers.adapters` does over the network."""
    scripted = cast("aiohttp.ClientSession", session)
    match vendor:
        case "partsbox":
            return PartsBox(scripted, Limiter(), endpoint(PartsBox.secret_headers(SecretStr(API_KEY))))
        case "partium":
            return Partium(scripted, Limiter(), endpoint(Partium.secret_headers(SecretStr("k" * 20))))
        case "partbolt":
            return PartBolt(scripted, Limiter(), endpoint(PartBolt.secret_headers(SecretStr("k" * 20))))
    return openbom(session, Limiter(), Stored())


SAMPLES: Final[dict[str, list[Any]]] = {
    "partsbox": PARTSBOX_SAMPLES,
    "openbom": OPENBOM_SAMPLES,
    "partium": PARTIUM_SAMPLES,
    "partbolt": PARTBOLT_SAMPLES,
}


def reads_of(vendor: str) -> list[str]:
    """Name every method that asks without sending a command."""
    found = inspect.getmembers(type(adapter(vendor, Session())), callable)
    signatures = {name: inspect.signature(method).parameters for name, method in found if not name.startswith("_")}
    return [
        name
        for name, parameters in signatures.items()
        if "sending" not in parameters and "self" in parameters and name != "aclose"
    ]


async def asked(opened: Any, name: str) -> Any:
    """Ask with an id for every parameter without a default; go through a listing."""
    method = getattr(opened, name)
    needed = [one for one in inspect.signature(method).parameters.values() if one.default is one.empty]
    found = method(*([ID] * len(needed)))
    return [record async for record in found] if hasattr(found, "__aiter__") else await found


@pytest.mark.parametrize("vendor", SAMPLES)
def test_the_reads_of_a_vendor_are_found(vendor: str) -> None:
    assert reads_of(vendor)


@pytest.mark.parametrize("vendor", SAMPLES)
@fuzz
@given(data=st.data())
async def test_no_answer_of_a_vendor_raises_anything_but_a_vendor_error(vendor: str, data: st.DataObject) -> None:
    samples = SAMPLES[vendor]
    bodies = nearly(samples).map(as_json) | json_values.map(as_json) | damaged([as_json(one) for one in samples])
    body, status = data.draw(bodies), data.draw(STATUSES)
    opened = adapter(vendor, Session(status, body))
    name = data.draw(st.sampled_from(reads_of(vendor)))

    said, found = "", None
    try:
        found = await asked(opened, name)
    except VendorError as error:
        said = str(error)

    assert len(said) < 2_000
    assert said.isprintable()
    # a part of PartBolt is JSON as it came; a command that is made of it takes no half of a surrogate pair
    assert vendor == "partbolt" or "\\ud800" not in repr(found)
