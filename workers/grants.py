"""The slots that a process was granted: those it uses, and those that Redis is still to hear of."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from tasks import telemetry
from workers.limits import microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.script_calls import ScriptCalls

logger = logging.getLogger(__name__)

#: At its end a process waits this long until Redis knows which slots it left.
CLOSE_SECONDS: Final = 5.0


class Grants:
    """Tells Redis about slots, in the order of calling and before what is asked next; nobody has to wait for it.

    `freed` is called when a slot is free, `owing` when Redis could not be told and `pay` is due.
    """

    def __init__(
        self, calls: ScriptCalls, policy_json: str, *, freed: Callable[[], None], owing: Callable[[], None]
    ) -> None:
        self._calls = calls
        self._policy_json = policy_json
        self._freed = freed
        self._owing = owing
        #: slot id -> token of the grant this process uses
        self._held: dict[str, str] = {}
        #: By slot id: the token of a grant to be released, and whether it reached nobody and is to be taken back.
        self._owed: dict[str, tuple[str, bool]] = {}
        self._telling: set[asyncio.Future[Any]] = set()
        #: Slots to be released with the next call, and who waits for that.
        self._leaving: list[tuple[str, str]] = []
        self._left: asyncio.Future[Any] | None = None

    @property
    def owes(self) -> bool:
        return bool(self._owed)

    def hold(self, slot_id: str, token: str) -> None:
        """Note a grant that is used from now on."""
        self._held[slot_id] = token

    def give_back(self, slot_id: str, token: str) -> None:
        """Note a grant that reaches nobody (or may exist)."""
        self._owed[slot_id] = (token, True)
        self._forget(slot_id, token)

    def release(self, slot_id: str) -> asyncio.Future[Any]:
        """Free a slot, with all others of this moment; the future gets Redis' error, and the slot is owed then."""
        loop = asyncio.get_running_loop()
        if self._left is None:
            self._left = loop.create_future()
            self._telling.add(self._left)
            loop.call_soon(self._release_all, self._left)
        self._leaving.append((slot_id, self._held.get(slot_id, "")))
        return self._left

    def flush(self) -> None:
        """Let what was released go ahead of what is asked next."""
        if self._left is not None:
            self._release_all(self._left)

    def _release_all(self, left: asyncio.Future[Any]) -> None:
        if left is not self._left:
            return  # it has gone ahead
        slots = self._leaving
        self._leaving, self._left = [], None
        told = self._calls.ask(("release", *(part for slot in slots for part in slot)))
        told.add_done_callback(partial(self._released, slots, left))

    def _released(self, slots: Sequence[tuple[str, str]], left: asyncio.Future[Any], told: asyncio.Future[Any]) -> None:
        self._telling.discard(left)
        if failed(told):
            self._owed |= {slot_id: (token, False) for slot_id, token in slots if token}
            if told.cancelled():
                left.cancel()
            else:
                left.set_exception(cast("Exception", told.exception()))
            self._owing()
            return
        for slot_id, token in slots:
            self._forget(slot_id, token)
        left.set_result(None)
        self._freed()

    def ghost(self, slot_id: str, seconds: float) -> asyncio.Future[Any]:
        """Keep a slot taken for so long; the future gets Redis' error, and then the slot's lease ends by itself."""
        token = self._held.get(slot_id, "")
        told = self.tell("ghost", slot_id, token, microseconds(seconds))
        told.add_done_callback(lambda told: None if failed(told) else self._forget(slot_id, token))
        return told

    def tell(self, operation: str, *arguments: str | int) -> asyncio.Future[Any]:
        """Make a call that `aclose` waits for."""
        told = self._calls.ask((operation, *arguments))
        self._telling.add(told)
        told.add_done_callback(self._telling.discard)
        return told

    async def pay(self) -> None:
        """Release what is owed; raises Redis' error, and then the rest is still owed."""
        for slot_id, owed in list(self._owed.items()):
            token, is_unused = owed
            again = ("take_back", slot_id, token, self._policy_json) if is_unused else ("release", slot_id, token)
            await self._calls.run(again)
            self._forget(slot_id, token)
            if self._owed.get(slot_id) == owed:
                del self._owed[slot_id]

    async def aclose(self) -> None:
        """Wait, for a while, until Redis has heard everything."""
        self.flush()
        if self._telling:
            await asyncio.wait(self._telling, timeout=CLOSE_SECONDS)

    def _forget(self, slot_id: str, token: str) -> None:
        if self._held.get(slot_id) == token:
            del self._held[slot_id]


def log_untold(slot_id: str, told: asyncio.Future[Any]) -> None:
    """Log that Redis did not hear about a slot: the request's outcome outranks it."""
    if failed(told):
        error = "cancelled" if told.cancelled() else type(told.exception()).__name__
        logger.warning(telemetry.LEDGER_UNREACHABLE, extra={"slot": slot_id, "error": error})


def failed(told: asyncio.Future[Any]) -> bool:
    """Tell whether Redis did not answer a call that is done."""
    return told.cancelled() or told.exception() is not None
