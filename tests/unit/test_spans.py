"""Spans as they are made, before anything is sent: shared requests, waits, replays, and an SDK that breaks."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tasks import tracing
from tasks.records import CommandRecord
from tasks.settings import SettingsError
from tasks.spans import WAIT_NANOSECONDS, Spans, _Ids
from tasks.trace_context import context_of, span_of
from tests.unit.batching_harness import Bench, bench, outcomes
from workers.vendors.openbom.client import OpenBomClient
from workers.vendors.request import Call

__all__ = ["bench"]

KEYS = ("mzxw6ytboi2tsnzqgi3a", "nzxw6ytboi2tsnzqgi3b", "ozxw6ytboi2tsnzqgi3c")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Turn tracing on in this process, into memory."""
    exporter, ids = InMemorySpanExporter(), _Ids()
    provider = TracerProvider(id_generator=ids, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_spans", Spans(provider, ids))
    return exporter


def _record(key: str, **fields: str) -> CommandRecord:
    given = {"kind": "catalog.upsert_part", "state": "sending", "accepted_ms": "1790000000000", **fields}
    return CommandRecord.from_hash(key, "partium", given)


async def test_a_request_that_commands_share_is_in_the_first_ones_trace_and_linked_to_the_others(
    bench: Bench, made: InMemorySpanExporter
) -> None:
    async def deliver(key: str) -> Any:
        with tracing.delivery(_record(key), tracing.now()):
            return await bench.upsert(key)

    deliveries = [asyncio.ensure_future(deliver(key)) for key in KEYS]
    await bench.limiter.waits()
    await bench.limiter.grant()
    await outcomes(deliveries)

    (request,) = [span for span in made.get_finished_spans() if span.kind.name == "CLIENT"]
    assert request.parent is not None
    assert len(bench.session.sent) == 1
    assert request.parent.trace_id == context_of(KEYS[0]).trace_id
    assert [link.context.trace_id for link in request.links] == [context_of(key).trace_id for key in KEYS[1:]]


async def test_a_request_of_no_command_makes_no_span(bench: Bench, made: InMemorySpanExporter) -> None:
    bench.limiter.open = True

    await bench.read("p1")

    assert len(bench.session.sent) == 1
    assert made.get_finished_spans() == ()


def test_a_wait_for_a_permit_is_shown_when_it_is_long_enough(made: InMemorySpanExporter) -> None:
    with tracing.delivery(_record(KEYS[0]), tracing.now()):
        tracing.waited(1, WAIT_NANOSECONDS)
        tracing.waited(1, 1 + WAIT_NANOSECONDS)

    permit, deliver = made.get_finished_spans()
    assert permit.name == "permit"
    assert permit.parent is not None
    assert permit.parent.span_id == deliver.context.span_id


def test_a_replayed_command_ends_below_its_first_end(made: InMemorySpanExporter) -> None:
    tracing.ended(_record(KEYS[0]), "held", 1)
    tracing.ended(_record(KEYS[0], replayed_by="ada", updated_ms="1790000001000"), "applied", 2)

    first, second = made.get_finished_spans()
    assert (first.context.span_id, first.status.is_ok) == (span_of(KEYS[0]), False)
    assert second.parent is not None
    assert second.parent.span_id == span_of(KEYS[0])
    assert second.context.span_id != span_of(KEYS[0])


def test_an_error_is_shown_by_its_name_alone(made: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="secret"), tracing.delivery(_record(KEYS[0]), tracing.now()):
        raise ValueError("a secret word")

    (span,) = made.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ValueError"
    assert "secret" not in span.to_json()


def test_a_command_goes_on_when_the_sdk_breaks_and_it_is_told_once(
    made: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr("opentelemetry.sdk.trace.Tracer.start_span", broken)
    with tracing.delivery(_record(KEYS[0]), tracing.now()) as span, tracing.step("look"):
        span.note(outcome="applied")
    tracing.ended(_record(KEYS[0]), "applied", 1)

    assert [record.message for record in caplog.records] == ["traces.broken"]


GOOD = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example:4318"}


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        (GOOD, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector.example/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({**GOOD, "OTEL_SDK_DISABLED": "True"}, False),
        ({**GOOD, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**GOOD, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        ({**GOOD, "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x, other=a=b,"}, True),
        # what is off is not judged
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
    ],
)
def test_traces_are_on_when_a_collector_is_named(environ: dict[str, str], *, wanted: bool) -> None:
    assert tracing.is_wanted(environ) is wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector.example:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://collector.example"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[collector"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example:port"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "canary"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=b,canary"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
    ],
)
def test_a_wrong_value_is_named_and_not_quoted(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        tracing.is_wanted({**GOOD, name: value})

    assert str(refused.value).startswith(f"{name}: ")
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("bom/49c6f1f3-7006-48fc-86f1-f3700628fcff", "GET /bom/{id}"),
        ("catalog/49c6f1f3-7006-48fc-86f1-f3700628fcff/propertyvalue", "GET /catalog/{id}/propertyvalue"),
        ("boms", "GET /boms"),
        ("login", "GET /login"),
    ],
)
def test_an_id_in_a_path_is_no_part_of_a_name(path: str, named: str) -> None:
    assert OpenBomClient.named(cast("OpenBomClient", None), Call.get(path)) == named
