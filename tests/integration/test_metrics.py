"""`/metrics`: what it counts, and that no client can make it grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from tests.integration.command_api_harness import (
    TOKEN,
    AlwaysReady,
    DirectIntake,
    Door,
    FakeLedger,
    move,
    serving_intake,
)
from tests.integration.stream_harness import streaming

if TYPE_CHECKING:
    from collections.abc import Mapping


async def samples(door: Door) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
    async with door.session.get(f"{door.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = await answer.text()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def _requests(method: str, route: str, status: int) -> tuple[str, frozenset[tuple[str, str]]]:
    labels = {"method": method, "route": route, "status": str(status)}
    return "stockrelay_requests_total", frozenset(labels.items())


def _accepted(kind: str, duplicate: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return "stockrelay_commands_accepted_total", frozenset({"kind": kind, "duplicate": duplicate}.items())


async def test_requests_are_counted_by_route_and_status(door: Door) -> None:
    for _ in range(2):
        await door.get("/v1/commands/" + "a" * 20)
    await door.get("/v1/commands/" + "b" * 20)
    await door.get("/healthz")
    await door.post(move(quantity=0))

    found = await samples(door)

    assert found[_requests("GET", "/v1/commands/{key}", 404)] == 3
    assert found[_requests("GET", "/healthz", 200)] == 1
    assert found[_requests("POST", "/v1/commands", 422)] == 1


async def test_accepted_commands_are_counted_by_kind_wherever_they_came_in(door: Door) -> None:
    await door.post(move())
    await door.post(move())
    await door.post([move(), move(quantity=6), move(quantity=0)], "/v1/scans")

    found = await samples(door)

    assert found[_accepted("stock.move", "false")] == 2
    assert found[_accepted("stock.move", "true")] == 2


async def test_open_streams_and_the_spool_are_shown_as_they_are_now() -> None:
    ready = AlwaysReady()
    intake = DirectIntake(FakeLedger(), ready)
    async with serving_intake(intake, ready) as door:
        before = await samples(door)
        intake.waiting = 7
        async with streaming(door) as reader:
            await reader.block()
            during = await samples(door)

    no_labels: frozenset[tuple[str, str]] = frozenset()
    streams, spool = ("stockrelay_streams_open", no_labels), ("stockrelay_spool_waiting", no_labels)
    assert (before[streams], before[spool]) == (0, 0)
    assert (during[streams], during[spool]) == (1, 7)


async def test_made_up_paths_and_methods_are_one_number_each(fake_door: Door) -> None:
    methods = ["PROPFIND", "LOCK", "MKCOL", "PURGE", "DELETE"]
    for number, method in enumerate(methods):
        await fake_door.get(f"/nowhere/{number}")
        async with fake_door.session.request(method, fake_door.url + "/healthz") as answer:
            assert answer.status == 405
        async with fake_door.session.request(method, fake_door.url + f"/other/{number}") as answer:
            assert answer.status == 404

    found = await samples(fake_door)

    assert found[_requests("(any)", "(none)", 404)] == 2 * len(methods)
    assert found[_requests("(any)", "(none)", 405)] == len(methods)
    assert len([1 for name, _ in found if name == "stockrelay_requests_total"]) == 2


async def test_the_numbers_are_for_those_with_a_token(fake_door: Door) -> None:
    async with fake_door.session.get(f"{fake_door.url}/metrics") as answer:
        assert answer.status == 401
