"""What people who watch Flower see: one readable row for each command, behind a login, and nothing to press."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.process import wait_until
from tests.sandbox.partsbox import id_for
from tests.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

VENDORS = ("partsbox", "partium", "routing")
PART, SHELF = id_for("part", "R-1K"), id_for("storage", "shelf-3")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("flower")
    routes = folder / "routes.toml"
    routes.write_text('[routes.catalog_part.partsbox]\nname = "part_id"\n')
    settings = {
        "STOCKRELAY_PARTSBOX_SETTLE_SECONDS": "1",
        "STOCKRELAY_PARTSBOX_TIMEOUT_SECONDS": "3",
        "STOCKRELAY_ROUTING_CONFIG": str(routes),
    }
    with Stack(folder, vendors=VENDORS, flower=True, settings=settings, environment={}) as running:
        wait_until(lambda: hears_the_workers(running), "Flower hears the workers' events")
        yield running


def hears_the_workers(stack: Stack) -> bool:
    """Flower shows what it heard since it listens; an event that came before is never shown."""
    answer = requests.get(f"{stack.flower_url}/workers?json=1", auth=login(stack), timeout=60)
    return answer.ok and len(answer.json()["data"]) == len(VENDORS)


def login(stack: Stack) -> tuple[str, str]:
    user, _, password = stack.flower_login.partition(":")
    return user, password


def rows(stack: Stack) -> dict[str, dict[str, Any]]:
    answer = requests.get(f"{stack.flower_url}/api/tasks", auth=login(stack), timeout=60)
    answer.raise_for_status()
    found: dict[str, dict[str, Any]] = answer.json()
    return found


def submit(stack: Stack, **body: Any) -> str:
    answer = requests.post(
        f"{stack.api_url}/v1/commands",
        json=body | {"stock_timestamp": time.time_ns() // 1_000_000},
        headers={"Authorization": f"Bearer {stack.api_token}"},
        timeout=60,
    )
    return str(answer.json()["key"])


@pytest.mark.slow
def test_each_command_is_one_readable_row_however_often_it_was_delivered(stack: Stack) -> None:
    lost = {"kind": "accept_then_drop", "operation": "stock/add", "count": 1}
    requests.post(f"{stack.control_url}/faults", json=lost, timeout=60).raise_for_status()
    before = set(rows(stack))
    keys = [submit(stack, kind="stock.add", part_id=PART, storage_id=SHELF, quantity=5 + number) for number in range(3)]

    def all_applied() -> bool:
        found = rows(stack)
        return all(found.get(key, {}).get("result") == "'applied'" for key in keys)

    wait_until(all_applied, "Flower shows every command as applied")
    found = rows(stack)

    assert set(found) - before == set(keys)
    assert [found[key]["name"] for key in keys] == ["stock.add"] * 3
    assert [found[key]["args"] for key in keys] == [
        f"add {5 + number} of part {PART[:8]}… to {SHELF[:8]}…" for number in range(3)
    ]
    assert {found[key]["kwargs"] for key in keys} == {"{}"}


@pytest.mark.slow
def test_a_part_for_two_vendors_is_one_row_and_one_more_for_each_of_them(stack: Stack) -> None:
    before = set(rows(stack))
    key = submit(stack, kind="catalog.upsert_part", part_id="SP-1", name={"en": "Screw", "de": "Schraube", "fr": "Vis"})

    def shown() -> dict[str, tuple[str, str, str]]:
        new = {task: row for task, row in rows(stack).items() if task not in before}
        return {row["name"]: (str(row["result"]), row["args"], task) for task, row in new.items()}

    wait_until(lambda: len(shown()) == 4 and all(row[0] != "None" for row in shown().values()), "four rows ended")
    found = {name: row[:2] for name, row in shown().items()}

    assert found == {
        "catalog.route_part": ("'expanded'", "write catalog part SP-1 at partium, partsbox"),
        "catalog.upsert_part": ("'applied'", "write catalog part SP-1 with 0 attributes"),
        "part.upsert": ("'expanded'", "create or update the part named SP-1"),
        "part.create": ("'applied'", "create the part named SP-1"),
    }
    assert shown()["catalog.route_part"][2] == key


@pytest.mark.slow
def test_flower_asks_for_a_login_and_lets_nobody_press_anything(stack: Stack) -> None:
    worker = f"partsbox-1@{socket.gethostname()}"

    assert requests.get(f"{stack.flower_url}/api/tasks", timeout=60).status_code == 401
    shutdown = requests.post(f"{stack.flower_url}/api/worker/shutdown/{worker}", auth=login(stack), timeout=60)
    send = requests.post(f"{stack.flower_url}/api/task/send-task/stock.add", json={}, auth=login(stack), timeout=60)

    assert (shutdown.status_code, send.status_code) == (403, 403)
    assert stack.worker.running


@pytest.mark.slow
def test_nothing_that_flower_tells_holds_a_payload_or_a_secret(stack: Stack) -> None:
    payload = {"comments": "canary-of-a-comment", "price": "71.93", "currency": "eur"}
    key = submit(stack, kind="stock.add", part_id=PART, storage_id=SHELF, quantity=77, **payload)
    wait_until(lambda: rows(stack).get(key, {}).get("result") == "'applied'", "Flower shows it as applied")

    paths = [
        "api/tasks",
        f"api/task/info/{key}",
        "api/task/types",
        "api/workers?refresh=1",
        "api/queues/length",
        f"task/{key}",
        "tasks",
        "workers",
        "broker",
        f"worker/partsbox-1@{socket.gethostname()}",
        "metrics",
    ]
    told = {path: requests.get(f"{stack.flower_url}/{path}", auth=login(stack), timeout=60) for path in paths}
    assert {path: answer.status_code for path, answer in told.items()} == dict.fromkeys(paths, 200)
    assert key in told["api/tasks"].text

    environment = stack.environment
    hidden = [*payload.values(), PART, SHELF, stack.api_token, login(stack)[1]]
    hidden += [environment["STOCKRELAY_PARTSBOX_API_KEY"], environment["STOCKRELAY_PARTIUM_API_KEY"]]
    hidden.remove("eur")  # three letters are found by chance
    assert [(path, text) for path, answer in told.items() for text in hidden if text in answer.text] == []
