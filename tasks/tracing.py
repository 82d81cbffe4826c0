"""OpenTelemetry spans from scan to settlement, where a collector is named; else nothing is loaded and nothing done.

On by `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`. No span holds a payload, a vendor's words
or a secret. Vendors are sent no trace context.
"""

from __future__ import annotations

import importlib.util
import time
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from tasks.settings import SettingsError
from tasks.trace_context import TRACEPARENT, trace_of_capture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from tasks.records import CommandRecord
    from tasks.spans import Spans

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_HEADERS: Final = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL: Final = "http/protobuf"
_PACKAGES: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")

#: The process's spans, between `opened` and its end.
_spans: Spans | None = None
#: The spans that what happens now belongs to: the first one is above it, the others shared in causing it.
_causes: ContextVar[tuple[Any, ...]] = ContextVar("causes", default=())


class Noted(Protocol):
    """A span that is open."""

    def note(self, **attributes: str | int | bool) -> None:
        """Say more about it: names get the prefix `stockrelay.`, or with `__` between words are OpenTelemetry's own."""

    def fail(self, error: str) -> None:
        """Mark it as failed, by the name of the error and none of its text."""


class _Nothing:
    def note(self, **_: str | int | bool) -> None:
        return

    def fail(self, error: str) -> None:
        del error


#: What is shown while nothing is: one for all.
_OFF: Final = nullcontext(_Nothing())


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Tell whether the environment asks for traces; SettingsError naming the variable at fault, and never its value."""
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    named = next((name for name in ENDPOINTS if environ.get(name)), None)
    if disabled or exporter == "none" or named is None:
        return False
    if exporter != "otlp":
        raise SettingsError("OTEL_TRACES_EXPORTER: only otlp and none are there")
    if not _is_address(environ[named]):
        raise SettingsError(f"{named}: not an address; give one like http://collector.example:4318")
    for name in _PROTOCOLS:
        if environ.get(name, _PROTOCOL) not in ("", _PROTOCOL):
            raise SettingsError(f"{name}: only {_PROTOCOL} is there")
    for name in _HEADERS:
        if not all("=" in pair.strip(" =") for pair in environ.get(name, "").split(",") if pair.strip()):
            raise SettingsError(f"{name}: not name=value, several by comma, values URL-encoded")
    if not all(map(_is_installed, _PACKAGES)):
        raise SettingsError(f"{named}: set, and what it needs is not installed: pip install 'stockrelay[tracing]'")
    return True


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


@contextmanager
def opened(service: str, environ: Mapping[str, str]) -> Iterator[None]:
    """Send this process's spans while the block runs, if the environment asks for it; raises as `is_wanted`.

    `service` names the process to the collector unless OTEL_SERVICE_NAME does. At the end a collector that does not
    answer is waited for a second at most. Not before a fork.
    """
    global _spans  # noqa: PLW0603  one process, one way out, as with its numbers and its log
    if not is_wanted(environ):
        yield
        return
    from tasks.spans import Spans  # noqa: PLC0415  not installed everywhere

    spans = Spans.opened(service, environ)
    _spans = spans
    try:
        yield
    finally:
        _spans = None
        spans.close()


def now() -> int:
    """Tell the time in UTC nanoseconds, as spans count it."""
    return time.time_ns()


# producers


def header_of(key: str) -> dict[str, str]:
    """Give the headers of a request that hands over what was captured, the command of this key first."""
    return {} if _spans is None else {TRACEPARENT: trace_of_capture(key)}


def captured_trace(key: str) -> str:
    """Give what the command's record is to keep when this process makes a span of its capture, else nothing."""
    return "" if _spans is None else trace_of_capture(key)


def captured(name: str, key: str, began_ms: int, **attributes: str | int | bool) -> None:
    """Show a capture (a scan, a row of a file) that has just been taken over; it began at a UTC millisecond."""
    if _spans is not None:
        _spans.captured(name, key, began_ms, attributes)


def accepted(key: str, trace: str, began: int, *, duplicate: bool, **attributes: str | int | bool) -> None:
    """Show that a command was accepted, or was known; `trace` is what its record keeps."""
    if _spans is not None:
        _spans.accepted(key, trace, began, {**attributes, "duplicate": duplicate})


# workers


def delivery(record: CommandRecord, began: int) -> AbstractContextManager[Noted]:
    """Show one delivery while the block runs; what happens in it is below it."""
    return _OFF if _spans is None else _spans.delivery(record, began, _causes)


def step(name: str) -> AbstractContextManager[Noted]:
    """Show a step of what happens now; what happens in it is below it."""
    return _OFF if _spans is None else _spans.step(name, _causes)


def request(vendor: str, operation: str, method: str) -> AbstractContextManager[Noted]:
    """Show a request to a vendor, if it is a command's; `operation` without ids."""
    return _OFF if _spans is None else _spans.request(vendor, operation, method, _causes.get())


def waited(began: int, until: int) -> None:
    """Show how long a permit was waited for, where that is long enough to see."""
    if _spans is not None:
        _spans.waited(began, until, _causes.get())


def ended(record: CommandRecord, outcome: str, attempts: int) -> None:
    """Show the command's own span, from acceptance to now."""
    if _spans is not None:
        _spans.ended(record, outcome, attempts)


def causes() -> tuple[Any, ...]:
    """Give the spans that what happens now belongs to, for a task of its own that goes on with it."""
    return _causes.get()


def go_on_for(several: Iterable[tuple[Any, ...]]) -> None:
    """Let what this task does from now on belong to all of these: below the first, linked to the others."""
    if _spans is not None:
        found = {(cause.trace_id, cause.span_id): cause for causes in several for cause in causes}
        _causes.set(tuple(found.values()))
