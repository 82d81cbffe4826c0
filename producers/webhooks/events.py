"""What happens to commands, as the ledgers announce it: one reader for this process, and everybody who listens to it.

A position is the last event seen in the stream of every vendor; behind it nothing was missed. It is written as
`vendor:id` with commas between, vendors without an event left out, and is for us alone to read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from redis.exceptions import RedisError, ResponseError

from tasks.endings import end_loops
from tasks.ledger import prefix_of
from tasks.registry import vendors
from tasks.telemetry import LEDGER_UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping

    from redis.asyncio import Redis

#: Shorter than the client's socket timeout, so that waiting for an event is no dead connection.
_BLOCK_MS: Final = 2_000
#: Events read at once: some hundred kilobytes.
_CHUNK: Final = 500
#: A listener that is behind by more is slow, or gone: it is dropped and resumes where it was.
MAX_WAITING: Final = 1_000
#: Between two tries while Redis is away.
RETRY_SECONDS: Final = 1.0
#: The opening of a stream waits no longer for Redis.
_BEGIN_SECONDS: Final = 2.0
_FIELDS: Final = ("key", "kind", "state", "reason", "client")
_PLACE: Final = re.compile(r"([a-z][a-z0-9_]{0,31}):([0-9]{1,20})-([0-9]{1,20})")
#: Of all vendors there will be.
_MAX_TEXT: Final = 4_096
#: Redis refuses an id with a larger one.
_MAX_NUMBER: Final = 2**64 - 1

logger = logging.getLogger(__name__)

EventId = tuple[int, int]
_BEGINNING: Final[EventId] = (0, 0)
_RawEvents = list[tuple[str, dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Event:
    """One step of one command, and where it stands in its vendor's stream."""

    vendor: str
    id: EventId
    data: dict[str, Any]

    @property
    def client(self) -> str:
        return str(self.data["client"])

    @property
    def state(self) -> str:
        return str(self.data["state"])


class Position:
    """The last event seen of every vendor."""

    def __init__(self, places: Mapping[str, EventId]) -> None:
        self._places = {vendor: places.get(vendor, _BEGINNING) for vendor in vendors()}

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """Read what `__str__` wrote; None for anything else."""
        places = {}
        for part in text.split(",") if text else ():
            found = _PLACE.fullmatch(part) if len(text) <= _MAX_TEXT else None
            if found is None:
                return None
            places[found[1]] = (int(found[2]), int(found[3]))
        return cls(places) if all(max(at) <= _MAX_NUMBER for at in places.values()) else None

    def __str__(self) -> str:
        # the text of an empty one must not be empty: a browser then sends no position at all
        seen = {vendor: at for vendor, at in self._places.items() if at > _BEGINNING} or dict([_first(self._places)])
        return ",".join(f"{vendor}:{at[0]}-{at[1]}" for vendor, at in seen.items())

    def of(self, vendor: str) -> EventId:
        """Give the last event seen of a vendor."""
        return self._places[vendor]

    def take(self, event: Event) -> bool:
        """Move on to an event; false when it was seen before."""
        if event.id <= self._places[event.vendor]:
            return False
        self._places[event.vendor] = event.id
        return True

    def take_all(self, other: Position) -> None:
        """Move on to wherever the other is further."""
        self._places = {vendor: max(at, other.of(vendor)) for vendor, at in self._places.items()}

    def copy(self) -> Position:
        """Give one that moves on its own."""
        return Position(self._places)


def _first(places: Mapping[str, EventId]) -> tuple[str, EventId]:
    return next(iter(places.items()))


@dataclass(eq=False)
class Listener:
    """One who listens to the events that it `hears`; `on_drop` is called when it is dropped."""

    hears: Callable[[Event], bool]
    on_drop: Callable[[], None]
    waiting: deque[Event] = field(default_factory=deque)
    #: Something is to be done: an event waits, there is a gap, or it was dropped.
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    #: It was too slow, or everything ends.
    dropped: asyncio.Event = field(default_factory=asyncio.Event)
    #: Events are missing between what was given so far and what waits.
    has_gap: bool = False

    @property
    def is_dropped(self) -> bool:
        return self.dropped.is_set()

    def drop(self) -> None:
        """End it: what waits is not given any more."""
        self.waiting.clear()
        self.dropped.set()
        self.arrived.set()
        self.on_drop()

    def offer(self, event: Event) -> None:
        """Let an event wait to be given."""
        if self.is_dropped:
            return
        if len(self.waiting) >= MAX_WAITING:
            self.drop()
        else:
            self.waiting.append(event)
            self.arrived.set()


class EventFeed:
    """Reads the streams of all vendors once, for all who listen, and only while anybody does. Run it with `running`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._listeners: set[Listener] = set()
        self._position = Position({})
        self._is_closed = False
        self._has_listener = asyncio.Event()
        self._beginning = asyncio.Lock()
        #: Set while the reader knows where it is: a listener misses nothing then.
        self.ready = asyncio.Event()

    @property
    def position(self) -> Position:
        """Up to where every listener has got what is its own, once `ready`."""
        return self._position

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read while the context is open; its end drops all listeners."""
        reader = asyncio.create_task(self._read_on(), name="events")
        try:
            yield
        finally:
            self.close()
            await end_loops([reader])

    def close(self) -> None:
        """Drop all listeners, and every later one."""
        self._is_closed = True
        for listener in tuple(self._listeners):
            listener.drop()

    @contextlib.contextmanager
    def listening(self, hears: Callable[[Event], bool], on_drop: Callable[[], None]) -> Iterator[Listener]:
        """Give the events that are heard from now on to a listener."""
        listener = Listener(hears, on_drop)
        self._listeners.add(listener)
        self._has_listener.set()
        if self._is_closed:
            listener.drop()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def begin(self) -> None:
        """Let a listener wait until it misses nothing any more; in vain, and not for long, while Redis is away."""
        with contextlib.suppress(RedisError, OSError):  # TimeoutError is an OSError
            async with asyncio.timeout(_BEGIN_SECONDS):
                await self._find_beginning()

    async def now(self) -> Position:
        """Tell the position behind everything that has happened."""
        places = {vendor: await self._last(vendor) for vendor in vendors()}
        return Position(places)

    async def keeps(self, position: Position) -> bool:
        """Tell whether everything behind a position is still there: false when some was trimmed, or is lost."""
        for vendor in vendors():
            at = position.of(vendor)
            if at == _BEGINNING:
                if await self._was_trimmed(vendor):
                    return False
            elif not await self._redis.xrange(_stream(vendor), _text(at), _text(at), count=1):
                return False
        return True

    async def missed(self, position: Position, hears: Callable[[Event], bool]) -> AsyncGenerator[Event]:
        """Read the events behind a position that are heard; it moves on with every event, heard or not."""
        for vendor in vendors():
            while True:
                start = "(" + _text(position.of(vendor))
                found = cast("_RawEvents", await self._redis.xrange(_stream(vendor), start, "+", count=_CHUNK))
                for event in _events(vendor, found):
                    position.take(event)
                    if hears(event):
                        yield event
                if len(found) < _CHUNK:
                    break

    async def _read_on(self) -> None:
        """Read while anybody listens, for ever; Redis may go and come back."""
        is_away = False
        while True:
            if not self._listeners:
                # whoever comes next begins at its own moment
                self.ready.clear()
                self._has_listener.clear()
                await self._has_listener.wait()
            try:
                if not self.ready.is_set():
                    await self._find_beginning()
                elif is_away and not await self.keeps(self._position):
                    await self._skip_gap()
                is_away = False
                await self._read_some()
            except (RedisError, OSError) as error:  # TimeoutError is an OSError
                if not is_away:
                    logger.warning(LEDGER_UNREACHABLE, extra={"error": type(error).__name__})
                is_away = True
                await asyncio.sleep(RETRY_SECONDS)

    async def _find_beginning(self) -> None:
        async with self._beginning:
            if not self.ready.is_set():
                self._position = await self.now()
                self.ready.set()

    async def _skip_gap(self) -> None:
        self._position = await self.now()
        for listener in self._listeners:
            listener.has_gap = True
            listener.arrived.set()

    async def _read_some(self) -> None:
        position = self._position
        async with self._redis.client() as connection:
            while self._listeners:
                streams = {_stream(vendor): _text(position.of(vendor)) for vendor in vendors()}
                found = await connection.xread(cast("Any", streams), count=_CHUNK, block=_BLOCK_MS)
                for vendor, raw in _by_vendor(found):
                    for event in _events(vendor, raw):
                        position.take(event)
                        self._give(event)

    def _give(self, event: Event) -> None:
        for listener in self._listeners:
            if listener.hears(event):
                listener.offer(event)

    async def _last(self, vendor: str) -> EventId:
        found = cast("_RawEvents", await self._redis.xrevrange(_stream(vendor), count=1))
        return _id(found[0][0]) if found else _BEGINNING

    async def _was_trimmed(self, vendor: str) -> bool:
        try:
            info = await self._redis.xinfo_stream(_stream(vendor))
        except ResponseError:  # there is none
            return False
        return int(info["entries-added"]) > int(info["length"])


def _stream(vendor: str) -> str:
    return prefix_of(vendor) + "events"


def _text(at: EventId) -> str:
    return f"{at[0]}-{at[1]}"


def _id(text: str) -> EventId:
    milliseconds, _, number = text.partition("-")
    return int(milliseconds), int(number)


def _by_vendor(found: Any) -> list[tuple[str, _RawEvents]]:
    """Read the answer of XREAD in either version of the protocol."""
    if not found:
        return []
    names = {_stream(vendor): vendor for vendor in vendors()}
    if isinstance(found, dict):
        return [(names[stream], [raw for block in blocks for raw in block]) for stream, blocks in found.items()]
    return [(names[stream], raw) for stream, raw in found]


def _events(vendor: str, found: _RawEvents) -> list[Event]:
    events = []
    for text, fields in found:
        at_ms = fields.get("at_ms", "")
        data: dict[str, Any] = {name: fields.get(name, "") for name in _FIELDS}
        data |= {"vendor": vendor, "at_ms": int(at_ms) if at_ms.isdecimal() else _id(text)[0]}
        events.append(Event(vendor, _id(text), data))
    return events
