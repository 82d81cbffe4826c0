"""Commands that wait for a permit share one request, where the vendor's operation takes a list.

Who waits is packed into a request in the moment its permit comes, and the next request begins to wait for its own. A
member that is not permitted, has gone or may not leave drops out; the others go on. Each gets its own outcome.

One bad item must not be the end of the others. A request that was refused whole is cut in two and sent again, down to
the item at fault. One whose outcome stayed unclear is never sent again from here; what comes back of it after a
look-up has less company each time.
"""

from __future__ import annotations

import asyncio
import contextvars
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from tasks.errors import InDoubtError, RejectedError, RetryableError, VendorError, own_error
from workers.packing import pack
from workers.shared_request import ListOperation, Member, NobodyLeftError, SharedRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.ports import Sending
    from workers.packing import Item
    from workers.vendors.request import Answer, Call

#: A cancel may be lost on its way (see `tasks.endings.end_loops`): after this long it is repeated.
LOST_CANCEL_SECONDS: Final = 0.1
#: After an unclear outcome: 500 items are 125, 31, 7, and alone at the fifth send, well within the attempts.
SHRINKING: Final = 4
#: Records that are remembered for it.
MAX_REMEMBERED: Final = 10_000
_DONE: Final = 200

R = TypeVar("R")


class Requests(Protocol):
    """A vendor's client, for requests that are made only when they are permitted."""

    async def write_when_permitted(self, make: Callable[[], Call], sending: Sending) -> Answer:
        """Send a change once."""

    async def read_when_permitted(self, make: Callable[[], Call]) -> Answer:
        """Ask without changing anything."""


class _Batcher(ABC, Generic[R]):
    """Keeps who waits, and the requests under way."""

    #: Whether several who name the same record share its place in a request.
    sharing: bool

    def __init__(self, requests: Requests, operation: ListOperation[R]) -> None:
        self._requests = requests
        self._operation = operation
        self._waiting: dict[Member[R], None] = {}
        #: Waits for its permit; who waits now may still join it.
        self._opening: SharedRequest[R] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        #: How many items a request with this record may have.
        self._company: dict[str, int] = {}

    async def aclose(self) -> None:
        """End the requests that nobody waits for any more; whoever still does is cancelled."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=LOST_CANCEL_SECONDS)

    @abstractmethod
    async def _request(self, batch: SharedRequest[R]) -> Answer:
        """Send the batch's request when it is permitted."""

    def _member(self, item: Item, intent: Sending | None = None, sending: Sending | None = None) -> Member[R]:
        outcome: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        return Member(item, outcome, self._company.get(item.record_id), intent, sending)

    async def _join(self, member: Member[R]) -> R:
        self._waiting[member] = None
        if self._opening is None:
            self._open()
        try:
            return await member.outcome
        except asyncio.CancelledError:
            self._withdraw(member)
            raise

    def _withdraw(self, member: Member[R]) -> None:
        self._waiting.pop(member, None)
        if not self._waiting and self._opening is not None and self._opening.task is not None:
            self._opening.task.cancel()
            self._opening = None

    def _open(self) -> None:
        self._opening = SharedRequest(self._operation, self._close)
        self._start(self._opening)

    def _close(self) -> list[Member[R]]:
        """Take those who fit into the request that has its permit, and open the next for the others."""
        chosen = pack(self._waiting, self._operation.room, sharing=self.sharing)
        for member in chosen:
            del self._waiting[member]
        self._opening = None
        if self._waiting:
            self._open()
        return chosen

    def _send_again(self, members: list[Member[R]]) -> None:
        """Send a request of these alone: nobody else joins it."""
        if members:
            self._start(SharedRequest(self._operation, list, members))

    def _start(self, batch: SharedRequest[R]) -> None:
        # a context of its own: the request belongs to no single command
        batch.task = asyncio.get_running_loop().create_task(
            self._run(batch), name=f"request {batch.key}", context=contextvars.Context()
        )
        self._tasks.add(batch.task)
        batch.task.add_done_callback(lambda task: self._ended(batch, task))

    async def _run(self, batch: SharedRequest[R]) -> None:
        try:
            batch.distribute(await self._request(batch))
        except NobodyLeftError:
            pass
        except Exception as error:  # noqa: BLE001  whatever it is: each member must hear of it
            self._failed(batch, error)
        else:
            for member in batch.members or ():
                self._company.pop(member.item.record_id, None)

    def _ended(self, batch: SharedRequest[R], task: asyncio.Task[None]) -> None:
        """Leave nobody waiting for a request that was cancelled, or broke by an error of our own."""
        self._tasks.discard(task)
        trouble = asyncio.CancelledError() if task.cancelled() else task.exception()
        if trouble is not None:
            for member in self._members_of(batch):
                member.end(trouble)

    def _members_of(self, batch: SharedRequest[R]) -> list[Member[R]]:
        """Give who shares the batch's fate: before its permit came, everyone who waits."""
        if batch.members is None and self._opening is batch:
            self._opening = None
            batch.members = list(self._waiting)
            self._waiting.clear()
        return [member for member in batch.members or () if not member.gone]

    def _failed(self, batch: SharedRequest[R], error: Exception) -> None:
        members = self._members_of(batch)
        if batch.staying:  # nothing has left
            staying = set(batch.staying)
            self._send_again([member for member in members if member not in staying])
            members = [member for member in members if member in staying]
        elif len(records := _records(members)) > 1 and _one_may_be_to_blame(error):
            half = set(records[: len(records) // 2])
            self._send_again([member for member in members if member.item.record_id in half])
            self._send_again([member for member in members if member.item.record_id not in half])
            return
        elif _is_unclear(error):
            self._shrink(members)
        for member in members:
            member.end(self._own(error, member.item, len(batch.members or ())))

    def _shrink(self, members: list[Member[R]]) -> None:
        """Let these have less company next time: one of them may be what the vendor does not get over."""
        records = _records(members)
        for record_id in records:
            self._company.pop(record_id, None)  # to the end: the oldest are forgotten first
            self._company[record_id] = max(1, len(records) // SHRINKING)
        while len(self._company) > MAX_REMEMBERED:
            del self._company[next(iter(self._company))]

    def _own(self, error: Exception, item: Item, size: int) -> Exception:
        """Give one member its own error, about its own item."""
        own = own_error(error)
        if isinstance(own, VendorError) and own.exchange is not None:
            own.exchange = replace(own.exchange, request=self._operation.shown(item, size))
        return own


class WriteBatcher(_Batcher[R]):
    """Sends writes of single records by a list operation."""

    sharing = False

    async def write(self, item: Item, sending: Sending, *, intended: bool = False) -> R:
        """Send one record's write, with others; raises what became of it, as for a request of its own.

        `intended`: a request that was certainly not carried out has made the intent durable already.
        """
        return await self._join(self._member(item, None if intended else sending, sending))

    async def _request(self, batch: SharedRequest[R]) -> Answer:
        return await self._requests.write_when_permitted(batch.call, batch)


class ReadBatcher(_Batcher[R]):
    """Reads single records by a list operation."""

    sharing = True

    async def read(self, item: Item) -> R:
        """Read one record, with others; errors as for a request of its own."""
        return await self._join(self._member(item))

    async def _request(self, batch: SharedRequest[R]) -> Answer:
        return await self._requests.read_when_permitted(batch.call)


def _records(members: Sequence[Member[Any]]) -> list[str]:
    return list(dict.fromkeys(member.item.record_id for member in members))


def _one_may_be_to_blame(error: Exception) -> bool:
    """Tell whether fewer items may fare better: the request was refused, or a read's answer was too large to take."""
    if isinstance(error, RetryableError) and error.exchange is not None:
        return error.exchange.status == _DONE and error.exchange.answer is None and error.__cause__ is None
    return isinstance(error, RejectedError)


def _is_unclear(error: Exception) -> bool:
    return isinstance(error, InDoubtError) or (isinstance(error, RetryableError) and not error.unreachable)
