"""A morning at a warehouse, so that there is something to see: work, a lost answer, dead letters, a paused vendor."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import requests

from tests.process import wait_until
from tests.sandbox.partsbox import id_for
from tests.stack import API_CLIENT, API_TOKEN, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

VENDORS: Final = ("partsbox", "partium", "openbom", "routing")
TOKENS: Final = f"{API_CLIENT}:{API_TOKEN}:submit+read+operate"
PARTS: Final = tuple(id_for("part", name) for name in ("R-1K", "R-10K", "C-100N"))
SHELF, LINE = id_for("storage", "shelf-3"), id_for("storage", "line-1")
STOCKRELAY: Final = Path(sys.executable).with_name("stockrelay")
BOM: Final = "b0m0000000000001"
CELL: Final = {"part_number": "R-10R", "property": "Description", "value": "10 ohm", "part_number_property": "MPN"}
#: Long enough for every picture to show the command whose answer was lost.
SETTLE_SECONDS: Final = "120"


def warehouse(folder: Path) -> Stack:
    """Give the system that `play` plays on; not started yet."""
    settings = {"STOCKRELAY_WEBHOOKS_TOKENS": TOKENS, "STOCKRELAY_PARTSBOX_SETTLE_SECONDS": SETTLE_SECONDS}
    settings["STOCKRELAY_PARTSBOX_RATES"] = "8/1s+5"
    return Stack(folder, vendors=VENDORS, flower=True, settings=settings, environment={})


def play(stack: Stack) -> None:
    """Let the morning happen; returns when what can end has ended."""
    wait_until(lambda: _hears_the_workers(stack), "Flower hears the workers' events")
    pause = [str(STOCKRELAY), "pause", "openbom", "--reason", "the bill of materials is being reworked"]
    subprocess.run(pause, env=dict(stack.environment), check=True, capture_output=True)
    keys = [_submit(stack, command) for command in _commands()]
    wait_until(lambda: all(_ended(stack, key) for key in keys), "the morning is over", 120)
    lost = {"kind": "drop_before", "operation": "stock/add", "count": 1}
    requests.post(f"{stack.control_url}/faults", json=lost, timeout=30).raise_for_status()
    doubtful = _submit(stack, _add(PARTS[0], 12))
    wait_until(lambda: _state(stack, doubtful) == "in_doubt", "an answer is lost")
    _submit(stack, _add(PARTS[0], 3))
    _submit(stack, {"kind": "bom.set_property", "bom_id": BOM, **CELL})


def _commands() -> Iterator[dict[str, Any]]:
    for number in range(24):
        yield _add(PARTS[number % 3], 10 + number)
    for number, name in enumerate(("Resistor 1k 0603", "Resistor 10k 0603", "Capacitor 100n")):
        yield {"kind": "catalog.upsert_part", "part_id": f"WH-{number + 1:04}", "name": {"en": name}}
    yield {"kind": "stock.remove", "part_id": PARTS[1], "storage_id": LINE, "quantity": 100_000}
    yield _add("9" * 26, 5)


def _add(part_id: str, quantity: int) -> dict[str, Any]:
    return {"kind": "stock.add", "part_id": part_id, "storage_id": SHELF, "quantity": quantity}


def _submit(stack: Stack, body: dict[str, Any]) -> str:
    time.sleep(0.002)  # an event has a moment of its own
    moment = time.time_ns() // 1_000_000
    answer = requests.post(
        f"{stack.api_url}/v1/commands", json=body | {"stock_timestamp": moment}, headers=_token(stack), timeout=30
    )
    answer.raise_for_status()
    return str(answer.json()["key"])


def _state(stack: Stack, key: str) -> str:
    answer = requests.get(f"{stack.api_url}/v1/commands/{key}", headers=_token(stack), timeout=30)
    return str(answer.json()["state"])


def _ended(stack: Stack, key: str) -> bool:
    return _state(stack, key) in ("applied", "rejected", "held")


def _token(stack: Stack) -> dict[str, str]:
    return {"Authorization": f"Bearer {stack.api_token}"}


def _hears_the_workers(stack: Stack) -> bool:
    user, _, password = stack.flower_login.partition(":")
    answer = requests.get(f"{stack.flower_url}/workers?json=1", auth=(user, password), timeout=30)
    return answer.ok and len(answer.json()["data"]) == len(VENDORS)
