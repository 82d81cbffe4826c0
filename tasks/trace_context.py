"""Which trace a command belongs to: W3C Trace Context of whoever asked for it, else ids that follow from its key.

https://www.w3.org/TR/trace-context/. Every process can name a command's span without asking another one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The header, and the attribute of a CloudEvent (its extension "distributed tracing").
TRACEPARENT: Final = "traceparent"
#: A later version may have more behind the flags; what is in front of them stays (section 4.3 of the standard).
_FORM: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_NO_VERSION: Final = "ff"
_SAMPLED: Final = 1
_TRACE_BYTES, _SPAN_BYTES = 16, 8


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Where a command's own span stands: its trace, and the span above it (0 for none)."""

    trace_id: int
    span_id: int
    #: The sender's word on whether the trace is recorded; None where the process's own sampler decides.
    sampled: bool | None


def read_traceparent(values: Sequence[str]) -> str:
    """Give the one valid `traceparent` among a header's values in version 00; empty for none, and for what is wrong."""
    match = _FORM.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        return ""
    version, trace, span, flags, more = match.groups()
    if version == _NO_VERSION or (version == "00" and more) or not int(trace, 16) or not int(span, 16):
        return ""
    return _written(int(trace, 16), int(span, 16), sampled=bool(int(flags, 16) & _SAMPLED))


def span_of(key: str) -> int:
    """Give the id of the command's own span."""
    return _derived("span of a command", key, _SPAN_BYTES)


def context_of(key: str, trace: str = "", parent: str | None = None) -> TraceContext:
    """Give the place of a command's own span, by what its record keeps.

    `trace` is what was stored with it; without that a child (`parent`: `vendor:key` or a key) is in its parent's trace.
    """
    if match := _FORM.fullmatch(trace):
        trace_id, span_id = int(match[2], 16), int(match[3], 16)
        # one of ours, whose sampler decides by the same id everywhere
        sampled = None if trace_id == _trace_of(key) else bool(int(match[4], 16) & _SAMPLED)
        return TraceContext(trace_id, span_id, sampled)
    if parent:
        above = parent.rpartition(":")[2]
        return TraceContext(_trace_of(above), span_of(above), None)
    return TraceContext(_trace_of(key), 0, None)


def trace_below(key: str, trace: str = "", parent: str | None = None) -> str:
    """Give what a child's record keeps, so that it is in the trace of this command; empty where `parent` tells it."""
    if not trace and not parent:
        return ""
    context = context_of(key, trace, parent)
    return _written(context.trace_id, span_of(key), sampled=context.sampled is not False)


def trace_of_capture(key: str) -> str:
    """Give what the record of a command keeps whose producer made a span of its capture (a scan, a row)."""
    return _written(_trace_of(key), capture_of(key), sampled=True)


def capture_of(key: str) -> int:
    """Give the id of the span of a command's capture."""
    return _derived("span of a capture", key, _SPAN_BYTES)


def traces_of(trace: str, keys: Sequence[str]) -> list[str]:
    """Give what the record of each command of one request keeps, whose header was `trace`.

    A header of the trace that follows from one of the keys is that of a producer that made a span of each capture.
    """
    if not trace:
        return [""] * len(keys)
    captured = {f"{_trace_of(key):032x}" for key in keys}
    return [trace_of_capture(key) if trace.split("-")[1] in captured else trace for key in keys]


def _trace_of(key: str) -> int:
    return _derived("trace of a command", key, _TRACE_BYTES)


def _derived(label: str, key: str, size: int) -> int:
    # 0 is no id
    return int.from_bytes(hashlib.sha256(f"stockrelay {label} {key}".encode()).digest()[:size]) or 1


def _written(trace_id: int, span_id: int, *, sampled: bool) -> str:
    return f"00-{trace_id:032x}-{span_id:016x}-{int(sampled):02x}"
