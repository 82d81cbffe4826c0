"""Reads behind their commits: a sandbox that answers reads from a replica."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sandbox.faults import CHOICES, KINDS, SIGHT, Faults
from tests.sandbox.partium import API_KEY, PartiumSandbox
from tests.sandbox.partsbox import API_KEY as PARTSBOX_KEY
from tests.sandbox.partsbox import PartsBoxSandbox
from tests.sandbox.probe import Probe
from tests.sandbox.replica import Replica


class Vendor:
    """One table, read and written with a switch that makes reads stale."""

    def __init__(self) -> None:
        self.now = 100.0
        self.faults = Faults({"set": True, "get": False}, KINDS, CHOICES, lambda: self.now)
        self.replica = Replica(self.faults, lambda: self.now)
        self.tables: dict[str, Any] = {"parts": {"bolt": [1]}, "clock": lambda: self.now}

    def write(self, value: int) -> None:
        self.replica.keep(self.tables)
        self.tables["parts"]["bolt"].append(value)

    def read(self) -> list[int]:
        with self.replica.read_as(self.faults.draw("get", "")[SIGHT], self.tables):
            found: list[int] = json.loads(json.dumps(self.tables["parts"]["bolt"]))
            return found


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


def test_a_commit_shows_when_the_lag_is_over(vendor: Vendor) -> None:
    vendor.faults.add("stale_read", count=None, lag_seconds=10)
    for value in (2, 3):
        vendor.write(value)
        vendor.now += 6
    assert vendor.read() == [1, 2]
    vendor.now += 3.9
    assert vendor.read() == [1, 2]
    vendor.now += 0.1
    assert vendor.read() == [1, 2, 3]


def test_a_stale_read_changes_nothing(vendor: Vendor) -> None:
    vendor.faults.add("stale_read", count=1, lag_seconds=10)
    vendor.write(2)
    assert vendor.read() == [1]
    assert vendor.read() == [1, 2]


def test_commits_before_the_switch_are_shown(vendor: Vendor) -> None:
    vendor.write(2)
    vendor.faults.add("stale_read", count=None, lag_seconds=10)
    assert vendor.read() == [1, 2]


def test_a_write_is_never_stale(vendor: Vendor) -> None:
    vendor.faults.add("stale_read", count=None)
    assert vendor.faults.draw("set", "").kinds == []
    with pytest.raises(ValueError, match="stale_read cannot hit set"):
        vendor.faults.add("stale_read", "set")


async def test_partium_answers_reads_behind_its_commits_and_judges_writes_by_them() -> None:
    async with (
        PartiumSandbox.running(seed_fixture="warehouse") as sandbox,
        Probe.to(sandbox.url, {"Authorization": f"Bearer {API_KEY}"}) as vendor,
    ):
        stale = sandbox.faults.add("stale_read", count=2, lag_seconds=3600)

        async def shown() -> list[str]:
            asked = {"part_ids": ["P-1001"], "projection": ["name"]}
            answer = await vendor.post("1/catalog/parts/select", asked)
            return [part["part_id"] for part in answer.json]

        before = await shown()
        deleted = [(await vendor.send("DELETE", "1/catalog/parts", json=["P-1001"])).json for _ in range(2)]
        assert before == await shown() == ["P-1001"]
        assert await shown() == []
        assert [bool(answer["errors"]) for answer in deleted] == [False, True]
        assert stale.fired == 2


async def test_partsbox_shows_a_movement_when_the_lag_is_over() -> None:
    async with (
        PartsBoxSandbox.running() as sandbox,
        Probe.to(sandbox.url, {"Authorization": f"APIKey {PARTSBOX_KEY}"}) as vendor,
    ):
        part_id, box_id = sandbox.load.part("bolt"), sandbox.load.storage("box")
        sandbox.faults.add("stale_read", count=1, lag_seconds=3600)
        adding = {"stock/part-id": part_id, "stock/storage-id": box_id, "stock/quantity": 5}
        assert (await vendor.post("stock/add", adding)).status == 200

        stale, fresh = [(await vendor.post("part/get", {"part/id": part_id})).json["data"] for _ in range(2)]
        assert not stale.get("part/stock")
        assert [entry["stock/quantity"] for entry in fresh["part/stock"]] == [5]
