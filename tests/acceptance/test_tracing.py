"""Traces of real processes at a real collector: one tree from scan to settlement, whoever dies in between."""

from __future__ import annotations

import asyncio
import re
import signal
from typing import TYPE_CHECKING, Final

import pytest
import requests

from producers.scanner.commands import Instruction, encode
from tests.acceptance.files_program import CONFIG
from tests.acceptance.station_harness import CONFIRM, Bench, FakeRelay, pieces
from tests.acceptance.traced_system import COLLECTOR_SECRET, PART, SHELF, traced_system, tracing_settings
from tests.process import wait_until
from tests.sandbox.partsbox.ids import id_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.acceptance.traced_system import Traced
    from tests.otlp_collector import Seen

#: The example of the standard.
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT: Final = f"00-{TRACE}-{SPAN}-01"
SECRET_WORDS: Final = "canary words of a person"


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    folder = tmp_path_factory.mktemp("traced")
    config, routes = folder / "stockrelay.toml", folder / "routes.toml"
    config.write_text(CONFIG.replace('path = "drop"', f'path = "{folder / "drop"}"'))
    routes.write_text('[routes.catalog_part.partsbox]\nname = "part_id"\n')
    settings = {"STOCKRELAY_FILES_CONFIG": str(config), "STOCKRELAY_ROUTING_CONFIG": str(routes)}
    with traced_system(folder, settings, vendors=("partsbox", "partium", "routing"), files=True) as running:
        yield running


def _names(spans: list[Seen]) -> list[str]:
    return sorted(span.name for span in spans)


def _one(spans: list[Seen], name: str) -> Seen:
    (found,) = [span for span in spans if span.name == name]
    return found


def _has(traced: Traced, trace: str, *names: str) -> list[Seen]:
    """Wait until the trace has spans of these names."""

    def is_there(_: object) -> bool:
        return set(names) <= {span.name for span in traced.collector.of(trace)}

    traced.collector.await_spans(is_there, f"{names} arrived")
    return traced.collector.of(trace)


@pytest.mark.slow
async def test_a_scan_is_one_tree_from_the_station_to_the_vendor(
    traced: Traced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in tracing_settings(traced.collector).items():
        monkeypatch.setenv(name, value)
    bench = Bench(tmp_path, FakeRelay(port=int(traced.stack.api_url.rpartition(":")[2])))

    async with bench.station() as station:
        scans = [encode(Instruction.ADD), SHELF, CONFIRM, PART, CONFIRM, pieces(3)]
        station.scan("".join(f"{scan}\n" for scan in scans).encode())
        await station.read_until(lambda station: bool(station.news("sent")))
        (key,) = station.stored
        station.signal(signal.SIGTERM)
        assert await station.end() == 0
    spans = await asyncio.to_thread(traced.settled, key)
    spans = await asyncio.to_thread(_has, traced, spans[0].trace, "scan", "accept", "deliver", "stock/add")

    scan, own, deliver = (_one(spans, name) for name in ("scan", "command stock.add", "deliver"))
    assert (scan.above, own.above) == ("", scan.id)
    assert {_one(spans, "accept").above, deliver.above} == {own.id}
    assert {span.above for span in spans if span.kind == "CLIENT"} == {deliver.id}
    assert {span.service for span in spans} == {"stockrelay-station", "stockrelay-webhooks", "stockrelay-worker"}
    assert (scan.kind, _one(spans, "accept").kind, deliver.kind) == ("PRODUCER", "PRODUCER", "CONSUMER")
    assert {span.key for span in (scan, own, deliver, _one(spans, "accept"))} == {key}
    assert own.attributes["stockrelay.outcome"] == "applied"
    assert _one(spans, "stock/add").attributes["http.response.status_code"] == 200


@pytest.mark.slow
def test_a_senders_own_trace_goes_on_to_the_settlement(traced: Traced) -> None:
    key = traced.submit(TRACEPARENT)

    spans = traced.settled(key)

    assert {span.trace for span in spans} == {TRACE}
    assert [span.above for span in spans if span.name == "command stock.add" and span.key == key] == [SPAN]


@pytest.mark.slow
def test_a_sender_that_does_not_record_is_not_recorded_here(traced: Traced) -> None:
    unrecorded = traced.submit(TRACEPARENT.replace(TRACE, "a" * 32)[:-2] + "00")
    traced.until_ended(unrecorded)

    recorded = traced.submit()
    traced.settled(recorded)

    assert traced.collector.of("a" * 32) == []


@pytest.mark.slow
def test_a_garbled_traceparent_refuses_nothing(traced: Traced) -> None:
    key = traced.submit("00-xyz-1-01")

    spans = traced.settled(key)

    assert _one(spans, "command stock.add").above == ""


@pytest.mark.slow
def test_the_trace_goes_on_over_the_spool_and_over_a_killed_worker(traced: Traced) -> None:
    trace = "b" * 32
    traced.stack.valkey.kill()
    spooled = traced.submit(f"00-{trace}-{SPAN}-01")
    assert traced.command(spooled)["state"] == "spooled"
    traced.fault(kind="hang", operation="stock/add", count=1)
    traced.stack.valkey.start()
    wait_until(lambda: traced.command(spooled)["state"] == "sending", "the worker has it")
    first = traced.stack.worker
    wait_until(lambda: _is_hanging(traced), "the request hangs at the vendor")
    first.kill()
    traced.stack.start_worker()
    traced.until_ended(spooled)

    spans = traced.settled(spooled)

    assert {span.trace for span in spans} == {trace}
    assert _one(spans, "command stock.add").above == SPAN
    assert "look" in _names(spans)


def _is_hanging(traced: Traced) -> bool:
    return "stock/add" in requests.get(f"{traced.stack.control_url}/journal", timeout=30).text


@pytest.mark.slow
def test_a_lost_answer_shows_the_delivery_and_the_look(traced: Traced) -> None:
    traced.fault(kind="accept_then_drop", operation="stock/add", count=1)
    key = traced.submit()
    traced.until_ended(key)

    spans = traced.settled(key)

    own = _one(spans, "command stock.add")
    look = _one(spans, "look")
    deliveries = sorted((span for span in spans if span.name == "deliver"), key=lambda span: span.began)
    assert {span.above for span in deliveries} == {own.id}
    assert look.above in {span.id for span in deliveries[1:]}
    assert deliveries[0].attributes["stockrelay.outcome"] == "in_doubt"
    assert deliveries[-1].attributes["stockrelay.outcome"] == "applied"
    assert any(span.above == look.id and span.kind == "CLIENT" for span in spans)
    assert [span.failed for span in spans if span.name == "stock/add"] == [True]


@pytest.mark.slow
def test_the_children_of_an_order_are_in_the_trace_of_who_asked_for_it(traced: Traced) -> None:
    trace = "c" * 32
    key = traced.submit(
        f"00-{trace}-{SPAN}-01", kind="order.receive", order_id=id_for("order", "SO-1"), storage_id=SHELF
    )
    traced.until_ended(key)
    spans = _has(traced, trace, "command order.receive", "command order.receive_line")

    parent = _one(spans, "command order.receive")
    children = [span for span in spans if span.name == "command order.receive_line"]
    assert (parent.above, parent.attributes["stockrelay.outcome"]) == (SPAN, "expanded")
    assert {span.above for span in children} == {parent.id}


@pytest.mark.slow
@pytest.mark.parametrize("trace", ["", "d" * 32])
def test_what_goes_to_several_vendors_is_one_trace(traced: Traced, trace: str) -> None:
    traceparent = f"00-{trace}-{SPAN}-01" if trace else ""
    name = f"SCREW-{len(trace)}"
    key = traced.submit(traceparent, kind="catalog.upsert_part", part_id=name, name={"en": "Screw"})
    traced.until_ended(key)
    spans = traced.settled(key)
    spans = _has(traced, spans[0].trace, "command catalog.upsert_part", "command part.upsert", "command part.create")

    parent = _one(spans, "command catalog.route_part")
    at_partsbox = _one(spans, "command part.upsert")
    assert parent.above == (SPAN if trace else "")
    assert {_one(spans, "command catalog.upsert_part").above, at_partsbox.above} == {parent.id}
    assert _one(spans, "command part.create").above == at_partsbox.id


@pytest.mark.slow
def test_a_row_of_a_file_is_the_root_of_its_commands_trace(traced: Traced) -> None:
    drop = traced.folder / "drop" / "in"
    (drop / "a.csv.part").write_text(f"quantity,note\n4,{PART}\n")
    (drop / "a.csv.part").rename(drop / "a.csv")

    spans = traced.collector.await_spans(lambda spans: any(span.name == "file row" for span in spans), "the row")
    row = _one(spans, "file row")
    tree_of_it = traced.settled(row.key)

    assert row.above == ""
    assert _one(tree_of_it, "command stock.add").above == row.id


@pytest.mark.slow
def test_nothing_of_a_payload_and_no_secret_reaches_the_collector_or_the_logs(traced: Traced) -> None:
    key = traced.submit(comments=SECRET_WORDS)
    traced.fault(kind="status", operation="stock/add", count=1, status=400)
    refused = traced.submit(quantity=7)
    traced.settled(key)
    traced.settled(refused)

    heard = traced.collector.heard.decode("latin-1")
    logs = "".join(path.read_text() for path in traced.folder.glob("*.log"))
    secrets = [*(value for name, value in traced.stack.environment.items() if re.search("KEY|TOKEN", name) and value)]
    assert f"Bearer {COLLECTOR_SECRET}" in traced.collector.headers.decode("latin-1")
    assert COLLECTOR_SECRET not in logs + heard
    assert [word for word in (SECRET_WORDS, PART, SHELF, *secrets) if word in heard] == []
