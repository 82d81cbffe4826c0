"""`stockrelay reconcile`: what a person is told, what a program reads, the page, and the exit codes."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

from tasks.identity import marker_of
from tasks.stock import AddStock
from tests.conformance.catalogue.case import event
from tests.integration.cli_harness import Operator, operator
from tests.integration.reconciler_harness import COLLEAGUE, Warehouse, warehouse
from tests.sandbox.partsbox import API_KEY, API_USER, PartsBoxSandbox
from workers.cli.reconcile import since_text
from workers.limiter import Limiter
from workers.reconciler_schedule import reconcile_prefix

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

    from tests.conftest import SharedValkey


@pytest.fixture
async def sandbox() -> AsyncIterator[PartsBoxSandbox]:
    async with PartsBoxSandbox.running() as vendor:
        vendor.load.part("Resistor")
        vendor.load.storage("shelf")
        yield vendor


@pytest.fixture
async def house(redis_client: Redis, sandbox: PartsBoxSandbox) -> AsyncIterator[Warehouse]:
    async with warehouse(redis_client, sandbox) as opened:
        yield opened


@pytest.fixture
def person(valkey: SharedValkey, redis_client: Redis) -> Operator:
    return operator(valkey.url, redis_client)


@pytest.fixture
def secrets(sandbox: PartsBoxSandbox) -> dict[str, str]:
    return {
        "STOCKRELAY_PARTSBOX_URL": sandbox.url,
        "STOCKRELAY_PARTSBOX_API_KEY": API_KEY,
        "STOCKRELAY_PARTSBOX_USER": API_USER,
        "STOCKRELAY_PARTSBOX_RATES": "1000/1s",
    }


async def added(house: Warehouse, sandbox: PartsBoxSandbox) -> str:
    (part,), (shelf,) = sandbox.state.parts, sandbox.state.storages
    (record,) = await house.apply(AddStock(part_id=part, storage_id=shelf, quantity=5, **event()))
    return record.key


def change(sandbox: PartsBoxSandbox, **fields: Any) -> None:
    (part,) = sandbox.state.parts
    entry = sandbox.state.history[part][-1]
    named = {f"stock/{name}": value for name, value in fields.items()}
    identity = {"stock/part-id": part, "stock/timestamp": entry.timestamp_ms}
    sandbox.write_as(COLLEAGUE, "stock/update", {**identity, **named})


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_agreement_is_exit_code_0(
    person: Operator, house: Warehouse, sandbox: PartsBoxSandbox, secrets: dict[str, str]
) -> None:
    await added(house, sandbox)

    result = await person.run("reconcile", "--vendor", "partsbox", env=secrets)

    assert re.search(r"compared +1 commands", result.stdout)
    assert re.search(r"differences +none", result.stdout)
    assert API_KEY not in result.output


async def test_a_difference_is_exit_code_1_with_a_line_that_would_put_it_right(
    person: Operator, house: Warehouse, sandbox: PartsBoxSandbox, secrets: dict[str, str]
) -> None:
    key = await added(house, sandbox)
    (part,), (shelf,) = sandbox.state.parts, sandbox.state.storages
    change(sandbox, quantity=8)
    effects = len(sandbox.journal.effects)

    result = await person.run("reconcile", "--since", "12h", env=secrets, code=1)

    assert "CHANGED" in result.stdout
    assert f"stock.add {key}" in result.stdout
    assert "Resistor" in result.stdout
    line = f"  stockrelay submit stock.remove part_id={part} storage_id={shelf} quantity=3 stock_timestamp="
    assert line in result.stdout
    assert len(sandbox.journal.effects) == effects  # nothing was submitted
    assert await person.ledger.dead_letters() == []


async def test_the_json_has_the_offers_as_commands_and_as_lines(
    person: Operator, house: Warehouse, sandbox: PartsBoxSandbox, secrets: dict[str, str]
) -> None:
    key = await added(house, sandbox)
    change(sandbox, quantity=8)

    result = await person.run("reconcile", "--json", env=secrets, code=1)

    (report,) = json.loads(result.stdout)["reports"]
    assert report["counts"] == {"missing": 0, "double": 0, "foreign": 0, "changed": 1}
    (difference,) = report["differences"]
    (offer,) = difference["offers"]
    assert (difference["finding"], difference["key"], difference["name"]) == ("changed", key, "Resistor")
    assert (offer["kind"], offer["fields"]["quantity"]) == ("stock.remove", 3)
    assert offer["line"].startswith("stockrelay submit stock.remove part_id=")


async def test_what_could_not_be_compared_is_exit_code_75(
    person: Operator, house: Warehouse, sandbox: PartsBoxSandbox, secrets: dict[str, str]
) -> None:
    key = await added(house, sandbox)
    await house.redis.hset(f"sr:{{partsbox}}:cmd:{key}", "command", "{")

    result = await person.run("reconcile", env=secrets, code=75)

    assert f"command {key}" in result.stdout


async def test_a_vendor_that_has_commands_but_no_secrets_here_is_not_compared(
    person: Operator, house: Warehouse, sandbox: PartsBoxSandbox
) -> None:
    await added(house, sandbox)

    result = await person.run("reconcile", code=75)

    assert "secrets are not set here" in result.stdout


async def test_a_vendor_that_is_named_needs_its_secrets(person: Operator) -> None:
    result = await person.run("reconcile", "--vendor", "partium", code=2)

    assert "STOCKRELAY_PARTIUM_API_KEY: missing" in result.stderr


async def test_nothing_to_compare_is_agreement(person: Operator) -> None:
    result = await person.run("reconcile")

    assert "Nothing to compare" in result.stdout


async def test_the_page_shows_everything_escaped_and_loads_nothing(
    person: Operator, house: Warehouse, sandbox: PartsBoxSandbox, secrets: dict[str, str], tmp_path: Path
) -> None:
    key = await added(house, sandbox)
    change(sandbox, comments=f"<script>alert(1)</script>\x1b[2J {marker_of(key)}")
    target = tmp_path / "report.html"
    target.write_text("older")

    await person.run("reconcile", "--html", str(target), env=secrets, code=1)

    page = target.read_text()
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert "\x1b" not in page
    assert "<script>alert(1)</script>" in unescape(page)
    assert not re.search(r"(?:src|href)=|url\(", page)
    assert "default-src 'none'" in page
    assert all(f">{name}</dt>" in page for name in ("MISSING", "DOUBLE", "FOREIGN", "CHANGED"))
    assert '<span class="name">Resistor</span>' in page
    assert names_in(tmp_path) == ["report.html"]


@pytest.mark.parametrize("name", [".", "no-such-folder/report.html"])
async def test_a_page_that_cannot_be_written_is_refused_before_anything_is_read(
    person: Operator, sandbox: PartsBoxSandbox, secrets: dict[str, str], tmp_path: Path, name: str
) -> None:
    result = await person.run("reconcile", "--html", str(tmp_path / name), env=secrets, code=2)

    assert "no file can be written there" in result.stderr
    assert sandbox.journal.requests == []


async def test_the_program_ended_without_waiting_until_redis_had_heard_of_its_last_slot(
    person: Operator,
    house: Warehouse,
    sandbox: PartsBoxSandbox,
    secrets: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it still had to say was said while the loop was closing, by a connection that stayed open."""
    await added(house, sandbox)
    told, close = list[int](), Limiter.aclose

    async def noted(limiter: Limiter) -> None:
        await close(limiter)
        told.append((await limiter.snapshot()).in_flight)

    monkeypatch.setattr(Limiter, "aclose", noted)
    await person.run("reconcile", env=secrets)

    assert told == [0]


async def test_the_last_reports_are_shown_without_asking_anybody(
    person: Operator, house: Warehouse, sandbox: PartsBoxSandbox
) -> None:
    key = await added(house, sandbox)
    change(sandbox, quantity=8)
    report = await house.reconcile("partsbox")
    asked = len(sandbox.journal.requests)
    await house.redis.set(reconcile_prefix("partsbox") + "last", json.dumps(report.kept()))

    shown = await person.run("reconcile", "--last", code=1)
    (read,) = (await person.json("reconcile", "--last", code=1))["reports"]

    assert f"stock.add {key}" in shown.stdout
    assert read == report.kept()
    assert len(sandbox.journal.requests) == asked


async def test_before_the_first_report_there_is_none_to_show(person: Operator) -> None:
    result = await person.run("reconcile", "--last", code=1)

    assert "no report is kept" in result.stderr


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2d", (172_800_000, True)),
        ("12h", (43_200_000, True)),
        ("90m", (5_400_000, True)),
        ("2026-11-20", (1_795_132_800_000, False)),
        ("2026-11-20T08:00", (1_795_161_600_000, False)),
        ("2026-11-20T09:00+01:00", (1_795_161_600_000, False)),
    ],
)
def test_since_is_a_span_or_a_date_in_utc(text: str, wanted: tuple[int, bool]) -> None:
    assert since_text(text) == wanted


@pytest.mark.parametrize("text", ["0d", "-2d", "2w", "yesterday", "20.11.2026", "2999-01-01", "1000000d"])
async def test_any_other_since_is_refused(person: Operator, text: str) -> None:
    result = await person.run("reconcile", "--since", text, code=2)

    assert "--since" in result.stderr


async def test_without_redis_it_is_to_be_tried_later(person: Operator) -> None:
    await person.run("reconcile", env={"REDIS_URL": "redis://127.0.0.1:1/0"}, code=75)
