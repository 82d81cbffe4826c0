"""Where scans come from: standard input, serial lines, TCP and Linux input devices, several at once."""

from producers.scanner.inputs.arrivals import Chunk, DeviceNews, InputError, News, Scan
from producers.scanner.inputs.sources import SOURCE_FORMS, parse_source, parse_sources
from producers.scanner.inputs.streams import chunks_from, chunks_of, scans_from, scans_of

__all__ = [
    "SOURCE_FORMS",
    "Chunk",
    "DeviceNews",
    "InputError",
    "News",
    "Scan",
    "chunks_from",
    "chunks_of",
    "parse_source",
    "parse_sources",
    "scans_from",
    "scans_of",
]
