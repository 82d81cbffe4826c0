"""What ids and part numbers stand for: asked of the relay's directory, kept in the outbox's file for offline work."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

import aiohttp

from producers.outbox import OutboxError, now_ms
from producers.scanner.codes import LabelCode, VendorIdCode
from producers.scanner.flows import Pick, Picks
from producers.scanner.labels import open_doubts
from tasks.directory import MAX_CODE, Thing, ThingType, code_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from pydantic import SecretStr

    from producers.outbox import Outbox
    from producers.scanner.codes import Code
    from producers.scanner.labels import Label

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS known (
    question TEXT NOT NULL PRIMARY KEY, answer TEXT NOT NULL, read_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
"""
#: A kept answer is asked again after a day: a part number may get a second part. Without an answer the old one holds.
FRESH_MS: Final = 86_400_000
#: An operator waits for a beep no longer.
ANSWER_SECONDS: Final = 1.5
#: After a failure the kept answers have to do for so long, so that not every scan waits.
PAUSE_SECONDS: Final = 10.0
#: More than any answer of the directory.
_ANSWER_BYTES: Final = 262_144


class Absence(StrEnum):
    """Why nobody can say what something stands for."""

    UNKNOWN = "not in the directory"
    OFFLINE = "the directory cannot be asked now"


class Lookup(Protocol):
    """What the station needs to know of ids and part numbers. Only `prepare` may take time."""

    async def prepare(self, code: Code) -> None:
        """Ask for what the answers about this code need, unless it is kept already."""

    def thing(self, vendor_id: str) -> Thing | Absence:
        """Tell what an id stands for."""

    def parts(self, code: str) -> tuple[Thing, ...] | Absence:
        """Tell the parts of a maker's or distributor's part number; never an empty tuple."""


class NoLookup:
    """Knows nothing and asks nobody: every id has to be confirmed, no label is booked."""

    async def prepare(self, code: Code) -> None:
        """Do nothing."""

    def thing(self, vendor_id: str) -> Thing | Absence:  # noqa: ARG002  the port's signature
        return Absence.OFFLINE

    def parts(self, code: str) -> tuple[Thing, ...] | Absence:  # noqa: ARG002  the port's signature
        return Absence.OFFLINE


def meaning(code: VendorIdCode | LabelCode, lookup: Lookup) -> Picks | str:
    """Say which things a code stands for; a text says why none of them may be taken."""
    if isinstance(code, LabelCode):
        return _parts_of(code.label, lookup)
    thing = lookup.thing(code.id)
    if isinstance(thing, Absence):
        return Picks((Pick(code.id, None),), (thing.value,))
    doubts = (f"{thing.name or code.id} is archived",) if thing.archived else ()
    return Picks((Pick(thing.id, thing.type, thing.name),), doubts)


def _parts_of(label: Label, lookup: Lookup) -> Picks | str:
    """Find the part that all numbers of the label agree on."""
    things: dict[str, Thing] = {}
    known: dict[str, tuple[str, ...]] = {}
    unasked = []
    for number in label.codes_to_check:
        parts = lookup.parts(number)
        if isinstance(parts, tuple):
            things |= {part.id: part for part in parts}
            known[number] = tuple(part.id for part in parts)
        elif parts is Absence.OFFLINE:
            unasked.append(parts.value)
    if not known and unasked:
        return unasked[0]
    found = [things[each] for each in things if all(each in ids for ids in known.values())]
    if not known or not found:
        return open_doubts(label, known)[-1]
    archived = [f"{part.name or part.id} is archived" for part in found if part.archived]
    doubts = (*label.doubts, *unasked[:1], *archived)
    remark = ", ".join(
        f"{word} {value}" for word, value in (("lot", label.lot), ("date code", label.date_code)) if value
    )
    picks = tuple(
        Pick(part.id, ThingType.PART, _name_of(part, found), label.quantity, remark, label_identity(label))
        for part in found
    )
    return Picks(picks, doubts)


def _name_of(part: Thing, among: list[Thing]) -> str:
    """Name a part so that it is told apart from the others of its number."""
    alike = [other for other in among if other.name == part.name]
    return part.name if len(alike) == 1 else f"{part.name} {part.manufacturer or part.id[:8]}".strip()


def label_identity(label: Label) -> str:
    """Name a label by its own id, or by everything it says; two bags may share the latter, never the former."""
    if label.unique_id:
        return f"unique:{label.unique_id}"
    return "same:" + json.dumps([label.format, sorted(label.fields.items())], ensure_ascii=True)


def questions_of(code: Code) -> tuple[str, ...]:
    """List what has to be known about a code, as the paths of the directory: `ids/…`, `parts/…`."""
    match code:
        case VendorIdCode(id=vendor_id):
            return (f"ids/{vendor_id}",)
        case LabelCode(label=label):
            numbers = map(code_of, label.codes_to_check)
            return tuple(dict.fromkeys(f"parts/{number}" for number in numbers if 0 < len(number) <= MAX_CODE))
        case _:
            return ()


class DirectoryClient:
    """Asks the relay's directory."""

    def __init__(self, url: str, token: SecretStr) -> None:
        self._url = f"{url.rstrip('/')}/v1/directory"
        self._headers = {"Authorization": f"Bearer {token.get_secret_value()}", "Accept": "application/json"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        self._session = aiohttp.ClientSession(
            timeout=timeout, headers=self._headers, cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(self, question: str) -> list[Any]:
        """Give the things that answer a question of `questions_of`, as JSON objects; OSError without an answer."""
        if self._session is None:
            raise RuntimeError("the directory is used outside of its `async with`")
        noun, _, value = question.partition("/")
        path, query = (f"/ids/{value}", None) if noun == "ids" else ("/parts", {"code": value})
        try:
            async with self._session.get(self._url + path, params=query, allow_redirects=False) as answer:
                if answer.status == 404:  # noqa: PLR2004  RFC 9110 15.5.5
                    return []
                if answer.status != 200:  # noqa: PLR2004  the one status with an answer
                    raise OSError(f"status {answer.status}")
                return _things(json.loads(await _read(answer)), is_list=noun == "parts")
        except (aiohttp.ClientError, TimeoutError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise OSError(f"the directory does not answer ({type(error).__name__})") from error


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > _ANSWER_BYTES:
            raise ValueError("longer than any answer of the directory")
    return bytes(body)


def _things(document: Any, *, is_list: bool) -> list[Any]:
    things = document["parts"] if is_list else [document]
    if not isinstance(things, list) or not all(map(_thing, things)):
        raise ValueError("not things of the directory")
    return things


def _thing(document: Any) -> Thing:
    """Read a thing; TypeError, ValueError or KeyError when it is none. Names are made harmless for a terminal."""
    if not isinstance(document, dict):
        raise TypeError("not an object")
    texts = [str(document.get(name) or "") for name in ("name", "manufacturer")]
    name, manufacturer = ("".join(c if c.isprintable() else " " for c in text).strip() for text in texts)
    return Thing(str(document["id"]), ThingType(document["type"]), name, document.get("archived") is True, manufacturer)


class CachedDirectory:
    """The relay's directory, and its kept answers when it is away."""

    def __init__(self, outbox: Outbox, client: DirectoryClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._outbox = outbox
        self._client = client
        self._clock = clock
        self._away_until = float("-inf")

    async def prepare(self, code: Code) -> None:
        stale = [question for question in questions_of(code) if not self._is_fresh(question)]
        if stale and self._clock() >= self._away_until:
            await asyncio.gather(*map(self._ask, stale))

    def thing(self, vendor_id: str) -> Thing | Absence:
        found = self._kept(f"ids/{vendor_id}")
        return found if isinstance(found, Absence) else found[0]

    def parts(self, code: str) -> tuple[Thing, ...] | Absence:
        return self._kept(f"parts/{code_of(code)}")

    async def _ask(self, question: str) -> None:
        try:
            answer = await self._client.ask(question)
        except OSError:
            self._away_until = self._clock() + PAUSE_SECONDS
            return
        # What cannot be kept now is asked again; the scan itself will say what is wrong with the disk.
        with contextlib.suppress(OutboxError), self._outbox.changing() as database:
            database.execute(
                "INSERT OR REPLACE INTO known (question, answer, read_at_ms) VALUES (?, ?, ?)",
                (question, json.dumps(answer), now_ms()),
            )

    def _kept(self, question: str) -> tuple[Thing, ...] | Absence:
        answer, _ = self._row(question)
        if answer is None:
            return Absence.OFFLINE
        return tuple(map(_thing, answer)) or Absence.UNKNOWN

    def _is_fresh(self, question: str) -> bool:
        """Tell whether the kept answer will do; what was unknown may be known by now."""
        answer, read_at_ms = self._row(question)
        return bool(answer) and abs(now_ms() - read_at_ms) < FRESH_MS

    def _row(self, question: str) -> tuple[list[Any] | None, int]:
        with self._outbox.changing() as database:
            row = database.execute("SELECT answer, read_at_ms FROM known WHERE question = ?", (question,)).fetchone()
        return (None, 0) if row is None else (json.loads(row[0]), int(row[1]))
