"""The faults that only this vendor has: maintenance, single items that go wrong, answers of a wrong shape."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.sandbox import answers, faults
from tests.sandbox.answers import Answering, plain, retry_after_of
from tests.sandbox.exchange import Exchange
from tests.sandbox.faults import CHOICES, OUTCOME, Fault, Kind
from tests.sandbox.partium.operations import OPERATIONS, SELECT
from tests.sandbox.partium.wire import MAINTENANCE, detail
from tests.sandbox.wire import Reply

if TYPE_CHECKING:
    from tests.sandbox.server import Sandbox

__all__ = ["ANSWERS", "CHOICES", "ITEMS", "KINDS", "ItemRule"]

#: the stage between commit and outcome, at which one item of a request goes wrong
ITEMS = "items"

SELECTS = tuple(name for name, operation in OPERATIONS.items() if operation.verb == SELECT)

KINDS: dict[str, Kind] = {
    **faults.KINDS,
    "item_left_out": Kind(ITEMS, {"id": "", "commit": True}, writes_only=True, about="id"),
    "item_in_errors": Kind(ITEMS, {"id": "", "commit": False, "message": "try again"}, writes_only=True, about="id"),
    "maintenance": Kind(OUTCOME, {"retry_after": "absent", "retry_after_seconds": 30.0}, writes_only=True),
    "stranger": Kind(OUTCOME, {"commit": True}, only=SELECTS),
    "wrong_shape": Kind(OUTCOME, {"commit": True}),
}


@dataclass(frozen=True)
class ItemRule:
    """What happens to one item of a request."""

    item_id: str
    commits: bool
    #: what `errors` says about it; None leaves the id out of the answer
    message: str | None

    @classmethod
    def of(cls, fault: Fault | None, item_ids: list[str]) -> "ItemRule | None":
        """Read a fault of the stage; one that names no id means the first item."""
        if fault is None or not item_ids:
            return None
        item_id = fault.options["id"] or item_ids[0]
        return cls(item_id, fault.options["commit"], fault.options.get("message"))


async def _maintenance(sandbox: "Sandbox[Any]", _exchange: Exchange, fault: Fault, _reply: Reply) -> web.Response:
    headers = retry_after_of(sandbox, fault)
    return plain(sandbox, Reply(503, detail(MAINTENANCE), headers))


async def _stranger(sandbox: "Sandbox[Any]", exchange: Exchange, _fault: Fault, reply: Reply) -> web.Response:
    id_name = OPERATIONS[exchange.record.operation].noun.id_name
    return plain(sandbox, Reply(200, [*reply.body, {id_name: "nobody-asked", "name": {"en": "Stranger"}}]))


async def _wrong_shape(sandbox: "Sandbox[Any]", _exchange: Exchange, _fault: Fault, reply: Reply) -> web.Response:
    """Answer an object where the document has an array, and the other way round."""
    return plain(sandbox, Reply(200, {} if isinstance(reply.body, list) else []))


ANSWERS: dict[str, Answering] = {
    **answers.ANSWERS,
    "maintenance": _maintenance,
    "stranger": _stranger,
    "wrong_shape": _wrong_shape,
}
