"""Storing from an event loop: one thread writes for all that wait, with one flush of the disk for many."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from producers.outbox import OutboxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.outbox import Capture, Outbox

#: Requests that share a flush: 32 gave nine times the rate of one, 128 not much more (see `make bench outbox`).
MOST_TOGETHER: Final = 32

_Told = tuple[bool, ...] | BaseException


@dataclass(frozen=True, slots=True)
class _Request:
    captures: Sequence[Capture]
    answer: asyncio.Future[tuple[bool, ...]]

    def settle(self, told: _Told) -> None:
        """Answer in the event loop that asked; nobody may be there any more."""

        def answer() -> None:
            if self.answer.done():
                return
            if isinstance(told, BaseException):
                self.answer.set_exception(told)
            else:
                self.answer.set_result(told)

        with contextlib.suppress(RuntimeError):  # the loop is closed
            self.answer.get_loop().call_soon_threadsafe(answer)


class OutboxWriter:
    """Stores for many tasks at once. Use as `async with`; the outbox stays open at the end.

    What arrives while a flush is under way shares the next one, so that nobody waits for company.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="outbox writer", daemon=True)
        self._is_open = False

    async def __aenter__(self) -> Self:
        self._thread.start()
        self._is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_open = False
        self._requests.put(None)
        await asyncio.to_thread(self._thread.join)

    async def store(self, *captures: Capture) -> tuple[bool, ...]:
        """Keep these as one step; when this returns, they survive a power cut. As `Outbox.store` otherwise.

        When it is cancelled they may be stored all the same.
        """
        if not self._is_open:
            raise OutboxError("outbox: the writer is closed")
        request = _Request(captures, asyncio.get_running_loop().create_future())
        self._requests.put(request)
        return await request.answer

    def _write(self) -> None:
        while (first := self._requests.get()) is not None:
            together = [first]
            is_last = False
            while len(together) < MOST_TOGETHER and not is_last:
                try:
                    request = self._requests.get_nowait()
                except queue.Empty:
                    break
                if request is None:
                    is_last = True
                else:
                    together.append(request)
            self._store_together(together)
            if is_last:
                return

    def _store_together(self, together: Sequence[_Request]) -> None:
        try:
            with self._outbox.changing() as database:
                told: list[_Told] = [self._outbox.add(database, *request.captures) for request in together]
        except Exception:  # noqa: BLE001  whose it is shows when each is stored alone
            told = [self._store_alone(request) for request in together]
        for request, answer in zip(together, told, strict=True):
            request.settle(answer)

    def _store_alone(self, request: _Request) -> _Told:
        try:
            return self._outbox.store(*request.captures)
        except Exception as error:  # noqa: BLE001  raised where it was asked for
            return error
