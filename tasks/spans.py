"""The spans themselves, as OpenTelemetry's SDK makes and sends them; the only module that loads it.

Loaded by `tasks.tracing`, and only when a collector is named. Names and attributes follow OpenTelemetry's semantic
conventions for messaging and HTTP where they have a word, else `stockrelay.…`.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from tasks.envelope import queue_of
from tasks.settings import SettingsError
from tasks.telemetry import TRACES_BROKEN, TRACES_NOT_SENT, TRACES_SENT
from tasks.trace_context import capture_of, context_of, span_of
from tasks.tracing import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan

    from tasks.records import CommandRecord
    from tasks.trace_context import TraceContext

Value = str | int | bool

logger = logging.getLogger(__name__)

#: What is left is sent within this at the end of a process: a collector that hangs must not hold up its stop.
CLOSE_SECONDS: Final = 1.0
#: A permit that came sooner was not waited for.
WAIT_NANOSECONDS: Final = 20_000_000
#: Ends that somebody has to look at.
_FAILED: Final = frozenset({"rejected", "held"})


class _Ids(IdGenerator):
    """Random ids, and in the block of `given` those that follow from a key."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self._given: ContextVar[tuple[int, int] | None] = ContextVar("ids", default=None)

    @contextmanager
    def given(self, trace_id: int, span_id: int) -> Iterator[None]:
        """Let the one span that is started in the block have these."""
        token = self._given.set((trace_id, span_id))
        try:
            yield
        finally:
            self._given.reset(token)

    def generate_trace_id(self) -> int:
        given = self._given.get()
        return given[0] if given else self._random.generate_trace_id()

    def generate_span_id(self) -> int:
        given = self._given.get()
        return given[1] if given else self._random.generate_span_id()


class _Open:
    """A span that is open."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, **attributes: Value) -> None:
        """Set attributes."""
        self._span.set_attributes(_named(attributes))

    def fail(self, error: str) -> None:
        """Mark it as failed."""
        self._span.set_attribute("error.type", error)
        self._span.set_status(Status(StatusCode.ERROR))


class _Told(SpanExporter):
    """Sends, and logs when that begins to fail and when it works again: never a line for each time."""

    def __init__(self, exporter: SpanExporter, collector: str) -> None:
        self._exporter = exporter
        self._collector = collector
        self._works = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        works = result is SpanExportResult.SUCCESS
        if works is not self._works:
            self._works = works
            level, event = (logging.INFO, TRACES_SENT) if works else (logging.WARNING, TRACES_NOT_SENT)
            logger.log(level, event, extra={"collector": self._collector})
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class Spans:
    """The spans of this process. They are sent by a thread of the SDK, and thrown away where they cannot be."""

    def __init__(self, provider: TracerProvider, ids: _Ids) -> None:
        self._provider = provider
        self._ids = ids
        self._is_broken = False
        self._tracer = provider.get_tracer("stockrelay", version("stockrelay"))

    @classmethod
    def opened(cls, service: str, environ: Mapping[str, str]) -> Spans:
        """Begin; SettingsError for a value of OTEL_… that the SDK does not take."""
        collector = urlsplit(next(environ[name] for name in ENDPOINTS if environ.get(name)))
        is_named = environ.get("OTEL_SERVICE_NAME") or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
        attributes = {"service.version": version("stockrelay")} | ({} if is_named else {"service.name": service})
        ids = _Ids()
        try:
            provider = TracerProvider(resource=Resource.create(attributes), id_generator=ids, shutdown_on_exit=False)
            # it says each failure, each retry and each lost span; and a header, which may be a secret
            logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
            told = _Told(OTLPSpanExporter(), collector.netloc.rpartition("@")[2])
            provider.add_span_processor(BatchSpanProcessor(told))
        except ValueError as error:
            raise SettingsError(f"OTEL_…: {error}") from None
        return cls(provider, ids)

    def close(self) -> None:
        """Send what is left, within CLOSE_SECONDS; what a collector has not taken by then is lost."""
        ending = threading.Thread(target=self._provider.shutdown, name="end of tracing", daemon=True)
        ending.start()
        ending.join(CLOSE_SECONDS)

    def captured(self, name: str, key: str, began_ms: int, attributes: Mapping[str, Value]) -> None:
        """Show a capture under the ids that every process knows it by."""
        place = context_of(key)
        began = min(began_ms * 1_000_000, time.time_ns())
        with self._ids.given(place.trace_id, capture_of(key)):
            span = self._start(name, None, SpanKind.PRODUCER, {"key": key, **attributes}, began)
        span.set_attribute("messaging.operation.type", "create")
        span.end()

    def accepted(self, key: str, trace_: str, began: int, attributes: Mapping[str, Value]) -> None:
        """Show an acceptance below the command's own span; that of a duplicate below whoever sent it."""
        place = context_of(key, trace_)
        above = self._own(key, place)
        if attributes["duplicate"] and place.span_id:
            above = self._remote(place.trace_id, place.span_id, place)
        span = self._start("accept", above, SpanKind.PRODUCER, {"key": key, **attributes}, began)
        span.set_attribute("messaging.operation.type", "send")
        span.end()

    @contextmanager
    def delivery(self, record: CommandRecord, began: int, causes: ContextVar[tuple[Any, ...]]) -> Iterator[_Open]:
        """Show a delivery below the command's own span."""
        above = self._own(record.key, context_of(record.key, record.trace, record.parent))
        span = self._start("deliver", above, SpanKind.CONSUMER, _about(record), began)
        span.set_attributes(
            {
                "messaging.system": "celery",
                "messaging.operation.type": "process",
                "messaging.destination.name": queue_of(record.vendor),
                "stockrelay.attempts": record.attempts,
            }
        )
        with _current(span, causes):
            yield _Open(span)

    @contextmanager
    def step(self, name: str, causes: ContextVar[tuple[Any, ...]]) -> Iterator[_Open]:
        """Show a step below what happens now."""
        span = self._start(name, _first(causes.get()), SpanKind.INTERNAL)
        with _current(span, causes):
            yield _Open(span)

    @contextmanager
    def request(self, vendor: str, operation: str, method: str, causes: tuple[Any, ...]) -> Iterator[_Open]:
        """Show a request below its first cause, linked to the others; none where no command has caused it."""
        if not causes:
            yield _Open(trace.INVALID_SPAN)
            return
        links = [Link(cause) for cause in causes[1:]]
        span = self._start(operation, _first(causes), SpanKind.CLIENT, {"vendor": vendor}, links=links)
        span.set_attribute("http.request.method", method)
        with _ending(span):
            yield _Open(span)

    def waited(self, began: int, until: int, causes: tuple[Any, ...]) -> None:
        """Show a wait for a permit that was long enough to see."""
        if causes and until - began >= WAIT_NANOSECONDS:
            self._start("permit", _first(causes), SpanKind.INTERNAL, began=began).end(until)

    def ended(self, record: CommandRecord, outcome: str, attempts: int) -> None:
        """Show the command's own span; after a replay a further one below it, since it has ended once."""
        place = context_of(record.key, record.trace, record.parent)
        attributes = {**_about(record), "outcome": outcome, "attempts": attempts}
        name, began = f"command {record.kind}", record.accepted_ms * 1_000_000
        if record.replayed_by:
            began = min(record.updated_ms * 1_000_000, time.time_ns())
            span = self._start(name, self._own(record.key, place), SpanKind.INTERNAL, attributes, began)
        else:
            above = self._remote(place.trace_id, place.span_id, place) if place.span_id else None
            with self._ids.given(place.trace_id, span_of(record.key)):
                span = self._start(name, above, SpanKind.INTERNAL, attributes, min(began, time.time_ns()))
        if outcome in _FAILED:
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def _start(
        self,
        name: str,
        above: Context | None,
        kind: SpanKind,
        attributes: Mapping[str, Value] | None = None,
        began: int | None = None,
        links: Sequence[Link] = (),
    ) -> trace.Span:
        # an empty context and not None, which would be whatever other code has made current
        context = trace.set_span_in_context(trace.INVALID_SPAN) if above is None else above
        named = _named(attributes or {})
        try:
            return self._tracer.start_span(name, context, kind, attributes=named, links=links, start_time=began)
        except Exception:
            # a command must not fail because it is watched
            if not self._is_broken:
                logger.exception(TRACES_BROKEN)
            self._is_broken = True
            return trace.INVALID_SPAN

    def _own(self, key: str, place: TraceContext) -> Context:
        return self._remote(place.trace_id, span_of(key), place)

    def _remote(self, trace_id: int, span_id: int, place: TraceContext) -> Context:
        flags = TraceFlags(TraceFlags.SAMPLED if self._is_sampled(place) else TraceFlags.DEFAULT)
        return _below(SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags))

    def _is_sampled(self, place: TraceContext) -> bool:
        if place.sampled is not None:
            return place.sampled
        # what the sampler says of the root, which another process may make: by the id it says the same there
        return (
            self._provider.sampler.should_sample(None, place.trace_id, "command").decision is Decision.RECORD_AND_SAMPLE
        )


def _below(above: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(above))


def _first(causes: tuple[Any, ...]) -> Context | None:
    return _below(causes[0]) if causes else None


@contextmanager
def _current(span: trace.Span, causes: ContextVar[tuple[Any, ...]]) -> Iterator[None]:
    token = causes.set((span.get_span_context(),))
    try:
        with _ending(span):
            yield
    finally:
        causes.reset(token)


@contextmanager
def _ending(span: trace.Span) -> Iterator[None]:
    """End the span with the block; of an error its type alone, since its text may quote anybody."""
    try:
        yield
    except BaseException as error:
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(Status(StatusCode.ERROR))
        raise
    finally:
        span.end()


def _about(record: CommandRecord) -> dict[str, Value]:
    return {"key": record.key, "kind": record.kind, "vendor": record.vendor}


def _named(attributes: Mapping[str, Value]) -> dict[str, Value]:
    return {
        name.replace("__", ".") if "__" in name else f"stockrelay.{name}": value for name, value in attributes.items()
    }
