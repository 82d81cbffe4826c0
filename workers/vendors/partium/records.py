"""One kind of record of the catalog: written and deleted in shared requests, read and listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from tasks.errors import Exchange, InDoubtError, RejectedError, RetryableError, VendorError
from workers.batching import ReadBatcher, WriteBatcher
from workers.packing import Arrange, Item, Room, as_they_came, list_text
from workers.shared_request import ListOperation, WrittenCall
from workers.vendors.partium import wire
from workers.vendors.request import Call

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from tasks.ports import Record, Sending
    from workers.vendors.partium.client import PartiumClient
    from workers.vendors.request import Answer

#: Per request (vendor reference 3.7).
MAX_ITEMS: Final = 500
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
#: Records of one page.
PAGE_RECORDS: Final = 100
#: A million records; more pages are a vendor that goes round in a circle.
MAX_PAGES: Final = 10_000
#: The code of a RejectedError for one item of a request that was carried out.
REFUSED: Final = "refused"


class Records:
    """The records of one noun. What waits for a permit shares its request; see `workers.batching`."""

    def __init__(
        self,
        client: PartiumClient,
        noun: wire.Noun,
        *,
        upserts_in_order: Arrange = as_they_came,
        deletes_in_order: Arrange = as_they_came,
    ) -> None:
        self._client = client
        self._noun = noun
        self._upserts = WriteBatcher(client, self._write("POST", upserts_in_order))
        self._deletes = WriteBatcher(client, self._write("DELETE", deletes_in_order))
        room = Room(MAX_ITEMS, MAX_BODY_BYTES, len(self._selection(()).payload()))
        self._reads = ReadBatcher(client, ListOperation(room, self._selection, self._selected, self._shown))

    async def aclose(self) -> None:
        """End the requests that no command waits for."""
        for batcher in (self._upserts, self._deletes, self._reads):
            await batcher.aclose()

    async def upsert(self, item: Item, sending: Sending, *, intended: bool = False) -> Exchange:
        """Create or replace one record; RejectedError with code REFUSED where the vendor refuses this one."""
        return await self._upserts.write(item, sending, intended=intended)

    async def delete(self, item: Item, sending: Sending, *, intended: bool = False) -> Exchange:
        """Delete one record; RejectedError with code REFUSED where the vendor refuses this one, and it is still there.

        One that is refused and gone is in doubt: a request that was carried out twice on its way looks like that.
        """
        try:
            return await self._deletes.write(item, sending, intended=intended)
        except RejectedError as refusal:
            if refusal.code == REFUSED and await self.select(item.record_id) is None:
                raise InDoubtError(f"{refusal}, but it is gone", exchange=refusal.exchange) from refusal
            raise

    async def select(self, record_id: str) -> Record | None:
        """Read one record; None when there is none."""
        operation = f"POST /{self._noun.path}/select"
        body = await self._reads.read(Item.of(record_id, record_id))
        if body is None:
            return None
        try:
            return self._record(self._client.without_secrets(body), operation)
        except RecursionError:
            raise RetryableError(f"{operation}: answer not understood: nested too deep") from None

    async def listing(self, query: dict[str, Any] | None = None) -> AsyncGenerator[Record, None]:
        """List records page by page, each page at a permit of its own."""
        paging: dict[str, Any] = {"limit": PAGE_RECORDS}
        for _ in range(MAX_PAGES):
            asked = {"paging": paging, "projection": self._noun.projection}
            call = Call.post(f"{self._noun.path}/list", asked if query is None else {"query": query} | asked)
            page = await self._client.read_as(call, wire.Page.model_validate)
            for body in page.result:
                yield self._record(body, call.operation)
            if not page.more_data:
                return
            if not page.last_object_id or page.last_object_id == paging.get("last_object_id"):
                raise RetryableError(f"{call.operation}: answer not understood: more_data without a next page")
            paging = {"limit": PAGE_RECORDS, "last_object_id": page.last_object_id}
        raise RetryableError(f"{call.operation}: no end within {MAX_PAGES} pages")

    def _record(self, body: dict[str, Any], operation: str) -> Record:
        try:
            return self._noun.record(body)
        except ValidationError as error:
            where = ".".join(map(str, error.errors(include_url=False, include_input=False)[0]["loc"]))
            message = f"{operation}: answer not understood: {where}"
            raise RetryableError(message, exchange=Exchange(operation, {}, 200, self._client.shown(body))) from None

    def _write(self, method: str, arrange: Arrange) -> ListOperation[Exchange]:
        operation, path = f"{method} /{self._noun.path}", self._noun.path

        def call(items: Sequence[Item]) -> Call:
            return WrittenCall(operation, method, path, list_text(items))

        return ListOperation(Room(MAX_ITEMS, MAX_BODY_BYTES), call, self._outcomes, self._shown, arrange)

    def _shown(self, item: Item, size: int) -> dict[str, Any]:
        return {"item": self._client.shown(item.body), "batch_size": size}

    def _outcomes(self, items: Sequence[Item], answer: Answer) -> list[Exchange | VendorError]:
        outcome = wire.outcome_of(answer.call, answer.body)
        done = outcome.done()
        return [self._outcome(item, answer, done.get(item.record_id), outcome, len(items)) for item in items]

    def _outcome(
        self, item: Item, answer: Answer, done: str | None, outcome: wire.Outcome, size: int
    ) -> Exchange | VendorError:
        """Find one record in the answer: done, refused, or in neither or both and so unknown."""
        operation, record_id = answer.call.operation, item.record_id
        part: dict[str, Any] = {} if done is None else {done: [record_id]}
        if refused := record_id in outcome.errors:
            part["errors"] = {record_id: self._client.shown(outcome.errors[record_id])}
        exchange = Exchange(operation, self._shown(item, size), answer.status, part, answer.elapsed_ms)
        if refused and done is None:
            words = self._client.said(outcome.errors[record_id])
            return RejectedError(f"{operation}: refused “{words}”", code=REFUSED, exchange=exchange)
        if refused or done is None:
            told = "does not name" if done is None else "contradicts itself about"
            return InDoubtError(f"{operation}: the answer {told} {record_id}", exchange=exchange)
        return exchange

    def _selection(self, items: Sequence[Item]) -> Call:
        ids = [item.body for item in items]
        return Call.post(f"{self._noun.path}/select", {self._noun.ids_field: ids, "projection": self._noun.projection})

    def _selected(self, items: Sequence[Item], answer: Answer) -> list[dict[str, Any] | None]:
        """Find each asked record; an answer with one that nobody asked for is not understood (reference 3.6)."""
        asked = {item.record_id for item in items}
        found: dict[str, dict[str, Any]] = {}
        for body in answer.body:
            record_id = body.get(self._noun.id_field)
            if not isinstance(record_id, str) or record_id not in asked or record_id in found:
                message = f"{answer.call.operation}: answer not understood: a record not asked for, or one twice"
                raise RetryableError(message, exchange=answer.exchange())
            found[record_id] = body
        return [found.get(item.record_id) for item in items]
