"""A vendor that costs next to nothing: what is measured must be the worker, on the same cores, not the vendor.

`python -m tests.benchmarks.vendor --port N --latency-ms 20` answers after that time, as many at once as come:

- `part/get` and `stock/add` as PartsBox does, each part with its history;
- `POST 1/catalog/parts` as Partium does; with `--maintenance` as Partium does in its maintenance mode;
- `GET /work?task=…`: an empty object, for tasks of any worker;
- `GET /books`: how many of each were carried out and when the last was, the texts that came more than once, the most
  requests in flight and the fullest second.

The sandbox in `tests/sandbox` is a vendor with all its traps, and costs more than the workers that are measured.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import time
from collections import Counter, deque
from typing import Any, Final, cast

import uvloop

OK: Final = '"partsbox.status/category":"ok","partsbox.status/message":"OK"'
#: As `workers.vendors.partium.wire` knows it.
MAINTENANCE: Final = (
    "Catalog manager is in maintenance mode - all processing is suspended and changes are currently not possible"
)


class Books:
    """What the vendor keeps: each part's entries as JSON, and what came when."""

    def __init__(self, *, maintenance: bool = False) -> None:
        self._maintenance = maintenance
        self._entries: dict[str, list[str]] = {}
        self._timestamps = itertools.count(int(time.time() * 1000))
        self._done: Counter[str] = Counter()
        self._totals = {"additions": 0, "upserts": 0, "work": 0}
        self._repeated: list[str] = []
        self._last_seconds = 0.0
        self._arrivals: deque[float] = deque()
        self._in_flight = 0
        self._most_in_flight = 0
        self._fullest_second = 0

    def arrived(self) -> None:
        """Count a request that begins now."""
        now = time.monotonic()
        self._arrivals.append(now)
        while self._arrivals[0] <= now - 1:
            self._arrivals.popleft()
        self._in_flight += 1
        self._most_in_flight = max(self._most_in_flight, self._in_flight)
        self._fullest_second = max(self._fullest_second, len(self._arrivals))

    def answered(self) -> None:
        """Count a request that ends now."""
        self._in_flight -= 1

    def answer(self, target: str, body: bytes) -> tuple[int, str]:
        """Carry a request out; gives the status and the JSON of the answer."""
        path, _, query = target.partition("?")
        match path.rpartition("/")[2]:
            case "get":
                part = json.loads(body)["part/id"]
                stock = ",".join(self._entries.get(part, ()))
                return 200, f'{{{OK},"data":{{"part/id":"{part}","part/stock":[{stock}]}}}}'
            case "add":
                self._add(json.loads(body))
                return 200, f"{{{OK}}}"
            case "parts" if self._maintenance:
                return 503, json.dumps({"detail": MAINTENANCE})
            case "parts":
                return 200, self._upsert(json.loads(body))
            case "work":
                self._note("work", query)
            case "books":
                return 200, json.dumps(self.told())
        return 200, "{}"

    def told(self) -> dict[str, object]:
        """Tell what was carried out; `last_seconds` by the clock of `time.monotonic`, which all processes share."""
        return {
            **self._totals,
            "last_seconds": self._last_seconds,
            "repeated": self._repeated,
            "most_in_flight": self._most_in_flight,
            "fullest_second": self._fullest_second,
        }

    def _note(self, what: str, text: str) -> None:
        self._totals[what] += 1
        self._done[text] += 1
        if self._done[text] == 2:
            self._repeated.append(text)
        self._last_seconds = time.monotonic()

    def _add(self, wanted: dict[str, object]) -> None:
        part = str(wanted["stock/part-id"])
        self._note("additions", str(wanted.get("stock/comments", "")))
        entry = {**wanted, "stock/timestamp": next(self._timestamps), "stock/user": "bench"}
        self._entries.setdefault(part, []).append(json.dumps(entry))

    def _upsert(self, parts: list[dict[str, Any]]) -> str:
        ids = [part["part_id"] for part in parts]
        for part_id in ids:
            self._note("upserts", part_id)
        return json.dumps({"created": ids, "updated": [], "errors": {}})


class Connection(asyncio.Protocol):
    """One connection, kept open; a request is answered before the next one is read, as HTTP clients send them."""

    def __init__(self, books: Books, latency_seconds: float) -> None:
        self._books = books
        self._latency_seconds = latency_seconds
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        if len(body) < length:
            return
        self._received = body[length:]
        target = head.split(b" ", 2)[1].decode()
        closes = b"connection: close" in lines
        if target == "/books":  # not a vendor's request: answered at once and not counted
            self._send(*self._books.answer(target, b""))
            return
        self._books.arrived()
        loop = asyncio.get_running_loop()
        loop.call_later(self._latency_seconds, self._reply, target, body[:length], closes)

    def _reply(self, target: str, body: bytes, closes: bool) -> None:  # noqa: FBT001  call_later passes no names
        self._books.answered()
        self._send(*self._books.answer(target, body))
        if closes:
            self._transport.close()

    def _send(self, status: int, text: str) -> None:
        answer = text.encode()
        head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
        self._transport.write(head.encode() + answer)


async def serve(port: int, latency_seconds: float, *, maintenance: bool = False) -> None:
    """Answer until the process is ended."""
    books = Books(maintenance=maintenance)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(books, latency_seconds), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=20.0)
    parser.add_argument("--maintenance", action="store_true")
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.latency_ms / 1000, maintenance=options.maintenance))


if __name__ == "__main__":
    main()
