"""An OpenTelemetry collector for tests: takes spans over OTLP/HTTP on a free port, and can be slow, away or frozen."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class Seen:
    """A span that arrived. Ids are hexadecimal; `above` is empty for a root."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    above: str
    attributes: dict[str, Any]
    links: tuple[str, ...]
    failed: bool
    began: int
    ended: int

    @property
    def key(self) -> str:
        """The command that it names."""
        return str(self.attributes.get("stockrelay.key", ""))


@dataclass(slots=True)
class Collector:
    """What arrived so far."""

    url: str
    spans: list[Seen] = field(default_factory=list)
    #: Every byte of every body.
    heard: bytearray = field(default_factory=bytearray)
    #: Every header of every request, with its path.
    headers: bytearray = field(default_factory=bytearray)
    #: While it is not set nobody gets an answer.
    answers: threading.Event = field(default_factory=threading.Event)
    #: What is answered.
    status: int = 200
    #: Requests that came.
    asked: int = 0

    def of(self, trace: str) -> list[Seen]:
        """List the spans of a trace."""
        return [span for span in self.spans if span.trace == trace]

    def await_spans(self, holds: Callable[[list[Seen]], bool], what: str) -> list[Seen]:
        """Wait until it holds for all that came, and give that."""
        wait_until(lambda: holds(list(self.spans)), what)
        return list(self.spans)


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.heard.extend(body)
            collector.headers.extend(self.path.encode() + bytes(self.headers))
            collector.asked += 1
            collector.answers.wait()
            if collector.status == 200:
                collector.spans.extend(_read(body))
            self.send_response(collector.status)
            self.send_header("Content-Type", "application/x-protobuf")
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    collector.answers.set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.answers.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _read(body: bytes) -> Iterator[Seen]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = str(_values(resource.resource.attributes).get("service.name"))
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Seen(
                    service=service,
                    name=span.name,
                    kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    above=span.parent_span_id.hex(),
                    attributes=_values(span.attributes),
                    links=tuple(link.trace_id.hex() for link in span.links),
                    failed=span.status.code == Status.STATUS_CODE_ERROR,
                    began=span.start_time_unix_nano,
                    ended=span.end_time_unix_nano,
                )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
