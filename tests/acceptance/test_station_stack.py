"""A real station, relay, Redis and worker: scans become stock at the vendor once, whatever is killed in between."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from producers.scanner.commands import Instruction, encode
from tests.acceptance.station_harness import CONFIRM, TOKEN, UNDO, Bench, FakeRelay, pieces
from tests.process import free_port, wait_until
from tests.sandbox.partsbox.ids import id_for
from tests.stack import API_CLIENT, API_TOKEN, WEBHOOKS, Stack

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.station_harness import StationProcess

SETTINGS: Final = {
    "STOCKRELAY_PARTSBOX_RATES": "100/1s+20",
    "STOCKRELAY_PARTSBOX_SETTLE_SECONDS": "1",
    "STOCKRELAY_PARTSBOX_TIMEOUT_SECONDS": "5",
    "STOCKRELAY_WORKER_LEASE_SECONDS": "1",
    "STOCKRELAY_WEBHOOKS_TOKENS": f"{API_CLIENT}:{API_TOKEN},ST-01:{TOKEN}",
}
ADD, CANCEL = (encode(each) for each in (Instruction.ADD, Instruction.CANCEL))
SHELF: Final = id_for("storage", "shelf-1")
REGULATOR: Final = id_for("part", "IC-REG")
#: Two bags may carry the first; the second names its bag.
MOUSER: Final = (
    "[)>\x1e06\x1dKP0-1337\x1d14K011\x1d1PMC34063ADR\x1dQ3\x1d11K073121337\x1d4LMX\x1d1VTexas Instruments\x1e\x04"
)
LCSC: Final = "{pbn:PICK2009291337,on:SO2009291337,pc:C1,pm:MC34063ADR,qty:10,mc:,cc:1,pdi:34421807}"

Stock = Counter[tuple[str, str]]


def _part(name: str) -> str:
    return id_for("part", name)


def _bench(stack: Stack, folder: Path) -> Bench:
    return Bench(folder, FakeRelay(port=int(stack.api_url.rpartition(":")[2])))


def _control(stack: Stack, path: str) -> Any:
    return requests.get(f"{stack.control_url}/{path}", timeout=60).json()


def _add_regulator(stack: Stack) -> None:
    """Give the vendor a part with the number that stands on the labels."""
    fixture = {"parts": [{"part/name": "IC-REG", "part/mpn": "MC34063ADR"}]}
    requests.post(f"{stack.control_url}/fixture", json=fixture, timeout=60).raise_for_status()


def _stock(stack: Stack) -> Stock:
    stock: Stock = Counter()
    for held in _control(stack, "state")["on_hand"]:
        stock[held["part_id"], held["storage_id"]] += held["quantity"]
    return stock


def _is_in_directory(stack: Stack, vendor_id: str) -> bool:
    url = f"{stack.api_url}/v1/directory/ids/{vendor_id}"
    return requests.get(url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60).ok


async def _greeted(station: StationProcess) -> None:
    await station.read_until(lambda station: bool(station.tones("note")))


async def _say(station: StationProcess, scan: str) -> dict[str, Any]:
    """Scan and give what the operator sees."""
    before = sum("tone" in line for line in station.lines)
    station.scan(f"{scan}\n".encode())
    await station.read_until(lambda station: sum("tone" in line for line in station.lines) > before)
    return station.lines[-1]


async def _add(station: StationProcess, part: str, quantity: int) -> str:
    """Add pieces to the open batch and give the command's key."""
    assert (await _say(station, part))["tone"] == "ok"
    stored = await _say(station, pieces(quantity))
    assert stored["tone"] == "stored", stored
    return str(stored["key"])


async def _until(station: StationProcess, state: str, *keys: str) -> None:
    await station.read_until(lambda station: set(keys) <= set(station.news(state)))


async def _end(station: StationProcess) -> int:
    station.signal(signal.SIGTERM)
    return await station.end()


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_what_the_directory_knows_is_booked_unasked_and_a_bag_counts_once_over_a_kill(tmp_path: Path) -> None:
    arguments = ("--results-seconds", "600", "--repeat-seconds", "3600")
    with Stack(tmp_path, workers=0, settings=SETTINGS) as stack:
        _add_regulator(stack)
        bench = _bench(stack, tmp_path)
        port = free_port()
        async with bench.station(*arguments, "--input", f"tcp:127.0.0.1:{port}") as station:
            await _greeted(station)
            await _say(station, ADD)
            unfilled = [await _say(station, scan) for scan in (SHELF, CANCEL, MOUSER)]
            await asyncio.to_thread(stack.start_worker)
            await asyncio.to_thread(wait_until, lambda: _is_in_directory(stack, SHELF), "the directory is filled")
            filled = [await _say(station, scan) for scan in (SHELF, MOUSER, LCSC)]
            _, scanner = await asyncio.open_connection("127.0.0.1", port)
            scanner.write(f"{_part('R-1K')}\r{pieces(7)}\r".encode())
            await _until(station, "applied", *(str(line["key"]) for line in filled[1:]))
            await station.read_until(lambda station: len(station.stored) == 3)
            await _until(station, "applied", *station.stored)
            scanner.close()
            await scanner.wait_closed()
            station.signal(signal.SIGKILL)
            await station.end()
        async with bench.station(*arguments) as station:
            await _greeted(station)
            for scan in (ADD, SHELF):
                assert (await _say(station, scan))["tone"] == "ok"
            again = [await _say(station, scan) for scan in (LCSC, MOUSER, CONFIRM)]
            await _until(station, "applied", str(again[-1]["key"]))
            code = await _end(station)
        stock, effects = _stock(stack), _control(stack, "journal")["effects"]

    assert [line["tone"] for line in unfilled] == ["ask", "note", "error"]
    assert "the directory does not know" in unfilled[-1]["detail"]
    assert [line["tone"] for line in filled] == ["ok", "stored", "stored"]
    assert [line["tone"] for line in again] == ["error", "ask", "stored"]
    assert "this very bag was booked" in again[0]["detail"]
    assert code == 0
    assert (stock[REGULATOR, SHELF], stock[_part("R-1K"), SHELF]) == (3 + 10 + 3, 1000 + 7)
    assert len(effects) == 4


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_every_stored_scan_is_booked_once_while_relay_worker_and_redis_are_killed(tmp_path: Path) -> None:
    with Stack(tmp_path, settings=SETTINGS) as stack:
        await asyncio.to_thread(wait_until, lambda: _is_in_directory(stack, SHELF), "the directory is filled")
        before = _stock(stack)
        relay = stack.processes[WEBHOOKS]
        async with _bench(stack, tmp_path).station("--results-seconds", "600") as station:
            await _greeted(station)
            for scan in (ADD, SHELF):
                await _say(station, scan)
            first = await _add(station, _part("R-1K"), 3)
            await _until(station, "applied", first)

            relay.kill()
            withdrawn = await _add(station, _part("R-1K"), 4)
            await station.read_until(lambda station: withdrawn in station.news("stored"))
            dropped = await _say(station, UNDO)
            second = await _add(station, _part("R-1K"), 5)
            await asyncio.to_thread(relay.start)
            await _until(station, "applied", second)

            stack.worker.kill()
            taken_back = await _add(station, _part("R-1K"), 6)
            await _until(station, "sent", taken_back)
            waits = await _say(station, UNDO)
            stack.valkey.kill()
            spooled = await _add(station, _part("R-1K"), 7)
            await _until(station, "sent", spooled)
            stack.valkey.start()
            await asyncio.to_thread(stack.start_worker)
            await _until(station, "applied", taken_back, spooled)
            await station.read_until(lambda station: len(station.tones("undone")) == 3)
            back = str(station.tones("undone")[-1]["key"])
            await _until(station, "applied", back)
            code = await _end(station)
        after, effects = _stock(stack), _control(stack, "journal")["effects"]

    assert dropped["message"].startswith("UNDONE")
    assert waits["message"].startswith("UNDO WAITS")
    assert code == 0
    assert after - before == Counter({(_part("R-1K"), SHELF): 3 + 5 + 7})
    assert sorted(leg["quantity"] for effect in effects for leg in effect["legs"]) == [-6, 3, 5, 6, 7]
    assert withdrawn not in station.news("sent")
