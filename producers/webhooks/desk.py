"""`/v1/dead-letters`: what a person sees of the dead letters, and decides about them, with the role `operate`."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from producers.webhooks import desk_operations as described
from producers.webhooks.auth import CALLER
from producers.webhooks.desk_names import names_of
from producers.webhooks.desk_requests import (
    Correction,
    Discard,
    RedriveFilter,
    RedriveOrder,
    Replay,
    asking,
    read_body_as,
    read_question,
)
from producers.webhooks.middleware import REQUEST_ID
from producers.webhooks.problems import malformed
from tasks.dead_letter_records import LetterState, Place
from tasks.identity import is_key
from tasks.records import DamagedRecord
from tasks.submit import now_ms
from tasks.telemetry import DESK_DECIDED

if TYPE_CHECKING:
    from producers.webhooks.openapi import Route
    from tasks.dead_letter_records import DeadLetter, Filter
    from tasks.dead_letters import DeadLetters
    from tasks.directory import Directory

#: Reading a hundred thousand letters takes half a minute.
BULK_SECONDS: Final = 90.0
#: A page of letters that are counted.
_COUNTED: Final = 1_000
#: What the letters are counted by: the answer's member, and that of a letter.
_COUNTS: Final = {"vendors": "vendor", "states": "state", "effects": "effect"}
_PRIVATE: Final = {"Cache-Control": "no-store"}

logger = logging.getLogger(__name__)


class DeskRoutes:
    """The handlers."""

    def __init__(self, letters: DeadLetters, directory: Directory) -> None:
        self._letters = letters
        self._directory = directory

    def routes(self) -> list[Route]:
        """List what is served."""
        return [
            ("GET", "/v1/dead-letters", self.find, described.FIND),
            ("GET", "/v1/dead-letters/redrives", self.redrives, described.REDRIVES),
            ("POST", "/v1/dead-letters/redrives", self.redrive, described.REDRIVE),
            ("POST", "/v1/dead-letters/redrives/count", self.count, described.COUNT),
            ("POST", "/v1/dead-letters/redrives/{id}/cancel", self.cancel_redrive, described.CANCEL_REDRIVE),
            ("GET", "/v1/dead-letters/{key}", self.show, described.SHOW),
            ("GET", "/v1/dead-letters/{key}/schema", self.schema, described.SCHEMA),
            ("POST", "/v1/dead-letters/{key}/preview", self.preview, described.PREVIEW),
            ("POST", "/v1/dead-letters/{key}/edit", self.edit, described.EDIT),
            ("POST", "/v1/dead-letters/{key}/replay", self.replay, described.REPLAY),
            ("POST", "/v1/dead-letters/{key}/discard", self.discard, described.DISCARD),
        ]

    async def find(self, request: web.Request) -> web.Response:
        """`GET /v1/dead-letters`: a page of the list, newest first."""
        asked = read_question(request)
        async with asking():
            page = await self._letters.find(asked.to_filter(), asked.limit, asked.after)
            counts = await self._letters.counts()
            names = await names_of(self._directory, [_asked(letter) for letter in page.letters])
        return _answer({**page.public(), "counts": counts, "names": names, "now_ms": now_ms()})

    async def show(self, request: web.Request) -> web.Response:
        """`GET /v1/dead-letters/{key}`: everything that is known of one."""
        key = _key_of(request)
        async with asking():
            letter = await self._letters.read(key)
            evidence = await self._letters.evidence(key)
            lanes = await self._letters.lanes(key)
            shown = _shown(letter)
            names = await names_of(self._directory, shown)
        heads = [asdict(lane) for lane in lanes]
        return _answer({**shown, "lane_heads": heads, "evidence": evidence, "names": names, "now_ms": now_ms()})

    async def schema(self, request: web.Request) -> web.Response:
        """`GET /v1/dead-letters/{key}/schema`: what its command may be corrected to."""
        key = _key_of(request)
        async with asking():
            letter = await self._letters.read(key)
            return _answer(self._letters.schema(letter.kind))

    async def preview(self, request: web.Request) -> web.Response:
        """`POST /v1/dead-letters/{key}/preview`: what a correction would change; nothing is kept."""
        key = _key_of(request)
        asked = await read_body_as(request, Correction)
        async with asking():
            diff = await self._letters.preview(key, asked.edits, revision=asked.revision)
        return _answer(diff.public())

    async def edit(self, request: web.Request) -> web.Response:
        """`POST /v1/dead-letters/{key}/edit`: keep a correction for the next replay."""
        key = _key_of(request)
        asked = await read_body_as(request, Correction)
        by = request[CALLER].client
        async with asking():
            diff = await self._letters.edit(key, by, asked.edits, revision=asked.revision)
        _log(request, "edit", key=key, fields=[change.field for change in diff.changes])
        return _answer(diff.public())

    async def replay(self, request: web.Request) -> web.Response:
        """`POST /v1/dead-letters/{key}/replay`: run it again."""
        key = _key_of(request)
        asked = await read_body_as(request, Replay)
        by = request[CALLER].client
        at = None if asked.at is None else Place(asked.at)
        async with asking():
            state = await self._letters.replay(key, by, asked.edits, at, revision=asked.revision)
        _log(request, "replay", key=key, at=asked.at, fields=sorted(asked.edits or ()))
        return _answer({"key": key, "state": state.value})

    async def discard(self, request: web.Request) -> web.Response:
        """`POST /v1/dead-letters/{key}/discard`: close it for good, undone."""
        key = _key_of(request)
        asked = await read_body_as(request, Discard)
        async with asking():
            await self._letters.discard(key, request[CALLER].client, asked.reason, revision=asked.revision)
        _log(request, "discard", key=key, reason=asked.reason)
        return _answer({"key": key, "state": "discarded"})

    async def count(self, request: web.Request) -> web.Response:
        """`POST /v1/dead-letters/redrives/count`: what a bulk replay would take, without beginning one."""
        asked = await read_body_as(request, RedriveFilter)
        async with asking(BULK_SECONDS):
            return _answer(await self._count(asked.filter.to_filter()))

    async def redrive(self, request: web.Request) -> web.Response:
        """`POST /v1/dead-letters/redrives`: begin to replay all that fit, at a rate."""
        asked = await read_body_as(request, RedriveOrder)
        wanted = asked.filter.to_filter()
        async with asking(BULK_SECONDS):
            begun = await self._letters.redrive(wanted, request[CALLER].client, asked.per_second)
        chosen = {"filter": wanted.to_json(), "per_second": asked.per_second}
        _log(request, "redrive", redrives=[each.id for each in begun], **chosen)
        return _answer({"redrives": [each.public() for each in begun]})

    async def redrives(self, _: web.Request) -> web.Response:
        """`GET /v1/dead-letters/redrives`: how far the bulk replays are."""
        async with asking():
            found = await self._letters.redrives()
        return _answer({"redrives": [each.public() for each in found], "now_ms": now_ms()})

    async def cancel_redrive(self, request: web.Request) -> web.Response:
        """`POST /v1/dead-letters/redrives/{id}/cancel`: replay no more of it."""
        redrive_id = request.match_info["id"]
        async with asking():
            redrive = await self._letters.cancel_redrive(redrive_id, request[CALLER].client)
        _log(request, "cancel redrive", redrives=[redrive.id])
        return _answer(redrive.public())

    async def _count(self, wanted: Filter) -> dict[str, Any]:
        counts: dict[str, Counter[str]] = {name: Counter() for name in _COUNTS}
        damaged = 0
        after: str | None = None
        while True:
            page = await self._letters.find(wanted, _COUNTED, after)
            for letter in page.letters:
                if letter.state is LetterState.DAMAGED:
                    damaged += 1
                    continue
                shown = letter.public()
                for name, member in _COUNTS.items():
                    counts[name][shown[member] or "unknown"] += 1
            after = page.after
            if after is None:
                found = {name: dict(each) for name, each in counts.items()}
                return {"total": counts["states"].total(), "damaged": damaged, **found}


def _answer(shown: dict[str, Any]) -> web.Response:
    return web.json_response(shown, headers=_PRIVATE)


def _log(request: web.Request, decision: str, **fields: Any) -> None:
    told = {"decision": decision, "by": request[CALLER].client, "request_id": request[REQUEST_ID]}
    logger.info(DESK_DECIDED, extra={**told, **fields})


def _key_of(request: web.Request) -> str:
    key = request.match_info["key"]
    if not is_key(key):
        raise malformed("the key is not 20 characters of a-z and 2-7")
    return key


def _asked(letter: DeadLetter) -> str:
    """Give the text of the command that a replay would send."""
    record = letter.record
    return "" if isinstance(record, DamagedRecord) else record.corrected or record.command


def _shown(letter: DeadLetter) -> dict[str, Any]:
    """Give a letter with what its record says; of one that cannot be read, its fields as they are kept."""
    record = letter.record
    if isinstance(record, DamagedRecord):
        return {**letter.public(), "fields": dict(record.fields)}
    return {
        **letter.public(),
        "client": record.client,
        "command": _decoded(record.command),
        "original": _decoded(record.original),
        "corrected": _decoded(record.corrected),
        "leaves_its_lanes": letter.leaves_its_lanes,
        "waits": record.waits,
        "looks": record.looks,
        "failed_looks": record.failed_looks,
        "crashes": record.crashes,
        "before": record.image,
        "refusal": record.refusal,
        "receipt": record.receipt,
        "parent": record.parent,
        "children": list(record.children),
        "replayed_by": record.replayed_by,
    }


def _decoded(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text
