"""The ledger: the durable truth about every command, in Redis, one atomic script a step."""

from __future__ import annotations

import json
import logging
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, cast

from tasks import telemetry
from tasks.admissions import Admissions, arguments_of
from tasks.envelope import hint_template, queue_of
from tasks.errors import (
    DamagedRecordError,
    LeaseLostError,
    TransitionRefusedError,
    UnknownCommandError,
    UnknownRedriveError,
    retrieve,
)
from tasks.ledger_reading import LedgerReading, prefix_of
from tasks.records import Admission, Claim, Closing, CommandRecord, NewCommand, Promotion, RedriveMove, State, Verdict
from tasks.script_calls import ScriptCalls

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from redis.asyncio import Redis

    from tasks.dead_letter_records import Place
    from tasks.ports import Grant

__all__ = ["MAX_CRASHES", "RETENTION_DAYS", "STALE_HINT_SECONDS", "Ledger", "prefix_of"]

logger = logging.getLogger(__name__)

#: How long an applied, cancelled or discarded command is remembered, and its key recognised.
RETENTION_DAYS: Final = 30
#: A command that outlived its worker this often in a row is held: it may be what kills it.
MAX_CRASHES: Final = 5
#: A hint nobody took for this long after every older one left the queue is lost, and published again.
STALE_HINT_SECONDS: Final = 10.0
_DAY_SECONDS: Final = 86_400
#: No \u escapes: cjson refuses those of lone surrogates, which a vendor's answer may hold.
_json: Final = json.JSONEncoder(ensure_ascii=False).encode


def _source() -> str:
    folder = resources.files("tasks")
    parts = ("ledger_state.lua", "ledger.lua", "ledger_desk.lua")
    return "\n".join(folder.joinpath(name).read_text() for name in parts)


def _maybe_json(value: object) -> str:
    return _json(value) if value else ""


class Ledger(LedgerReading):
    """One vendor's part of the ledger.

    Steps that need the command's lease take `owner`, the token it was claimed with, and raise LeaseLostError when
    another owner has it or the lease ended. Redis errors come through as they are.
    """

    def __init__(
        self,
        redis: Redis,
        vendor: str,
        *,
        retention_days: float = RETENTION_DAYS,
        max_crashes: int = MAX_CRASHES,
        stale_hint_seconds: float = STALE_HINT_SECONDS,
        request_seconds: float = 0.0,
    ) -> None:
        super().__init__(redis, vendor)
        self._queue = queue_of(vendor)
        self._template = hint_template(self._queue)
        self._calls = ScriptCalls(redis, redis.register_script(_source()), [self._prefix])
        self._admissions = Admissions(self._admit)
        self._retention_seconds = max(1, int(retention_days * _DAY_SECONDS))
        self._max_crashes = max_crashes
        #: How long a request may stay open: a lost worker's settle time begins only so long after its lease.
        self._request_ms = int(request_seconds * 1000)
        self._stale_ms = int(stale_hint_seconds * 1000)

    async def _step(self, name: str, **arguments: Any) -> Any:
        return self._read(name, arguments, await self._post(name, arguments))

    def _post(self, name: str, arguments: dict[str, Any]) -> asyncio.Future[Any]:
        text = _json(arguments).encode(errors="replace")
        return self._calls.ask([name, self._queue, self._template, text])

    def _read(self, name: str, arguments: dict[str, Any], text: str) -> Any:
        found = json.loads(text)
        for one in found["damaged"]:
            self._report(**one)
        answer = found["answer"]
        if isinstance(answer, dict) and answer.get("error") == "refused":
            self._refuse(name, arguments, answer["state"])
        return answer

    def _report(self, key: str, problem: str) -> None:
        logger.error(telemetry.RECORD_DAMAGED, extra={"key": key, "vendor": self.vendor, "problem": problem})

    @staticmethod
    def _refuse(name: str, arguments: dict[str, Any], state: str) -> None:
        key = arguments.get("key", "")
        if "id" in arguments:
            raise UnknownRedriveError(f"{arguments['id']}: no such bulk replay")
        if state == "unknown":
            raise UnknownCommandError(f"{key}: the ledger knows no such command")
        if "owner" in arguments:
            raise LeaseLostError(f"{key}: {name} refused, this owner no longer holds it (state {state})")
        raise TransitionRefusedError(f"{key}: cannot {name} a command that is {state}")

    # producers

    async def admit(self, commands: Sequence[NewCommand]) -> tuple[Admission, ...]:
        """Store the commands, put them in their lanes and hint at those that may run; a known key changes nothing."""
        return await self._admissions.admit(commands)

    async def _admit(self, calls: list[list[dict[str, Any]]]) -> Any:
        return await self._step("admit", calls=calls, retention_seconds=self._retention_seconds)

    # workers

    async def claim(self, key: str, owner: str, lease_seconds: float) -> Claim:
        """Take the lease of a command that may run or must be looked up; say why not otherwise.

        A record that cannot be read is logged and held: no machine can decide about it.
        """
        answer = await self._step(
            "claim", key=key, owner=owner, lease_ms=int(lease_seconds * 1000), max_crashes=self._max_crashes
        )
        verdict, fields = Verdict(answer["verdict"]), answer.get("record")
        if fields is None:
            return Claim(verdict)
        try:
            return Claim(verdict, CommandRecord.from_hash(key, self.vendor, fields))
        except DamagedRecordError as error:
            self._report(key, error.record.problem)
            await self.settle(key, owner, State.HELD, reason=f"damaged record: {error.record.problem}")
            return Claim(Verdict.DAMAGED)

    async def renew(self, owners: Mapping[str, str], lease_seconds: float) -> frozenset[str]:
        """Prolong the leases of keys by their owner tokens; returns the keys that are no longer their owner's."""
        answer = await self._step("renew", owners=dict(owners), lease_ms=int(lease_seconds * 1000))
        return frozenset(answer["lost"])

    async def intent(self, key: str, owner: str, image: dict[str, Any]) -> None:
        """Note durably, with the before-image, that the first byte follows; spends an attempt."""
        await self._step("intent", **self._intended(key, owner, image))

    def intent_if(self, grant: Grant, key: str, owner: str, image: dict[str, Any]) -> Callable[[], Awaitable[bool]]:
        """Do the same if the limiter has granted this; asked at once, behind what was asked before.

        What is returned waits for the answer: false where there was no grant, and nothing was noted.
        """
        arguments = {**self._intended(key, owner, image), "if": grant}
        posted = self._post("intent", arguments)
        posted.add_done_callback(retrieve)

        async def noted() -> bool:
            return bool(self._read("intent", arguments, await posted)["attempts"])

        return noted

    def _intended(self, key: str, owner: str, image: dict[str, Any]) -> dict[str, Any]:
        return {"key": key, "owner": owner, "image": _json(image), "request_ms": self._request_ms}

    async def settle(
        self,
        key: str,
        owner: str,
        state: State,
        *,
        reason: str = "",
        receipt: dict[str, Any] | None = None,
        evidence: dict[str, Any] | None = None,
    ) -> None:
        """End the command as applied, rejected or held; an end other than held lets the lane's next one run."""
        await self._step(
            "settle",
            key=key,
            owner=owner,
            state=state.value,
            reason=reason,
            receipt=_maybe_json(receipt),
            evidence=_maybe_json(evidence),
            retention_seconds=self._retention_seconds,
        )

    async def doubt(
        self,
        key: str,
        owner: str,
        due_in_seconds: float,
        *,
        reason: str,
        failed: bool = False,
        refusal: dict[str, Any] | None = None,
        confirmed: bool = False,
        evidence: dict[str, Any] | None = None,
    ) -> None:
        """Note that the outcome is unknown, keep the lane and look at due time.

        `failed`: a look-up got no answer. `confirmed`: the vendor has said yes, and its reads do not show it.
        """
        await self._step(
            "doubt",
            key=key,
            owner=owner,
            due_in_ms=int(due_in_seconds * 1000),
            failed=failed,
            reason=reason,
            refusal=_maybe_json(refusal),
            confirmed=confirmed,
            evidence=_maybe_json(evidence),
        )

    async def delay(
        self,
        key: str,
        owner: str,
        due_in_seconds: float,
        *,
        spent: bool,
        reason: str,
        evidence: dict[str, Any] | None = None,
    ) -> None:
        """Try again later what was certainly not applied; `spent` says whether an attempt is used up."""
        await self._step(
            "delay",
            key=key,
            owner=owner,
            due_in_ms=int(due_in_seconds * 1000),
            spent=spent,
            reason=reason,
            evidence=_maybe_json(evidence),
        )

    async def absent(self, key: str, owner: str, *, evidence: dict[str, Any] | None = None) -> None:
        """End doubt: the look-up proved that the write is not there, so it may be sent again."""
        await self._step("absent", key=key, owner=owner, evidence=_maybe_json(evidence))

    async def hand_back(self, key: str, owner: str, *, unsent: bool = False) -> None:
        """Give up the lease of a command that was not sent, or of a look-up, for another worker.

        With an intent it is refused, unless its owner knows that nothing was sent.
        """
        await self._step("hand_back", key=key, owner=owner, unsent=unsent)

    async def announce_children(self, key: str, owner: str) -> None:
        """Note that children are about to be admitted at other vendors: the parent can't be cancelled any more."""
        await self._step("announce_children", key=key, owner=owner)

    async def expand(
        self,
        key: str,
        owner: str,
        children: Sequence[NewCommand],
        *,
        foreign: Sequence[str] = (),
        evidence: dict[str, Any] | None = None,
    ) -> None:
        """Admit the parent's children in its place, all or none; the parent ends with the last of them.

        `foreign` names children that other vendors' ledgers have admitted already, as `vendor:key`.
        Raises ValueError without children or with a key twice: such a parent would never end.
        """
        names = [*(child.key for child in children), *foreign]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"{key}: {len(names)} children, which must be at least one and have distinct keys")
        await self._step(
            "expand",
            key=key,
            owner=owner,
            commands=[arguments_of(child) for child in children],
            foreign=list(foreign),
            evidence=_maybe_json(evidence),
            retention_seconds=self._retention_seconds,
        )

    async def closings(self, limit: int = 200) -> tuple[Closing, ...]:
        """List this vendor's ended children of other vendors' parents that have not been told yet, oldest first."""
        texts = cast("list[str]", await self._redis.lrange(self._prefix + "closed", 0, limit - 1))
        return tuple(Closing.from_json(text) for text in texts)

    async def close_child(self, closing: Closing) -> None:
        """Tell a parent here that a child of another vendor has ended for good; twice is once."""
        await self._step(
            "child_closed",
            key=closing.parent,
            child=closing.child,
            applied=closing.applied,
            retention_seconds=self._retention_seconds,
        )

    async def forget_closing(self, closing: Closing) -> None:
        """Note that the parent knows."""
        await self._redis.lrem(self._prefix + "closed", 1, closing.text)

    async def promote(self, limit: int = 200, *, paused: bool = False) -> Promotion:
        """Move on what is due, recover ended leases and publish lost hints again; any worker may call it."""
        answer = await self._step(
            "promote", limit=limit, stale_ms=self._stale_ms, max_crashes=self._max_crashes, paused=paused
        )
        soonest = answer.pop("next_in_ms")
        return Promotion(**answer, next_in_ms=None if soonest < 0 else int(soonest))

    # people

    async def cancel(self, key: str, by: str) -> None:
        """Cancel a command that no worker has begun; raises TransitionRefusedError otherwise."""
        await self._step("cancel", key=key, by=by, retention_seconds=self._retention_seconds)

    async def replay(
        self,
        key: str,
        by: str,
        edited: NewCommand | None = None,
        *,
        at: Place | None = None,
        revision: str | None = None,
        changes: Sequence[Mapping[str, Any]] = (),
    ) -> State:
        """Run a dead letter again under its key, as corrected now or before: see `DeadLetters.replay`."""
        answer = await self._step(
            "replay", key=key, by=by, at=at, revision=revision, **_correction(edited, by, changes)
        )
        return State(answer["state"])

    async def edit(
        self,
        key: str,
        by: str,
        edited: NewCommand | None,
        *,
        revision: str | None = None,
        changes: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Keep a correction for the next replay of a dead letter; None takes back the one that is kept."""
        await self._step("edit", key=key, by=by, revision=revision, **_correction(edited, by, changes))

    async def discard(self, key: str, by: str, reason: str, *, revision: str | None = None) -> None:
        """Close a dead letter for good, undone, with a person's reason; a held one lets its lane go on."""
        lanes = await self._lanes_of_damaged(key)
        where = {} if lanes is None else {"lanes": lanes}
        seconds = self._retention_seconds
        await self._step(
            "discard", key=key, by=by, reason=reason, revision=revision, retention_seconds=seconds, **where
        )

    async def letters(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        """Read what the ledger keeps of these dead letters, all in one answer; see `Search`."""
        found: list[dict[str, Any]] = await self._step("letters", keys=list(keys))
        return found

    async def begin_redrive(self, redrive_id: str, by: str, wanted: Mapping[str, Any], per_second: float) -> None:
        """Begin the bulk replay of the letters that were staged under its id; begun twice is begun once."""
        await self._step("begin_redrive", id=redrive_id, by=by, filter=_json(wanted), per_second=per_second)

    async def move_redrives(self) -> RedriveMove:
        """Replay what the bulk replays have due, each at its rate; any worker may call it."""
        answer = await self._step("move_redrives", retention_seconds=self._retention_seconds)
        soonest = answer.pop("next_in_ms")
        return RedriveMove(**answer, next_in_ms=None if soonest < 0 else int(soonest))

    async def cancel_redrive(self, redrive_id: str, by: str) -> None:
        """Stop a bulk replay; one that has ended stays as it is."""
        await self._step("cancel_redrive", id=redrive_id, by=by, retention_seconds=self._retention_seconds)


def _correction(edited: NewCommand | None, by: str, changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    entry = {"what": "edited", "by": by, "changes": [dict(change) for change in changes]}
    shown = {"evidence": _json(entry)} if changes else {}
    if edited is None:
        return shown
    return {**shown, "command": edited.command, "summary": edited.summary, "lanes": list(edited.lanes)}
