"""The faults that only this vendor has, beside those that every sandbox has."""

from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.sandbox import answers, faults
from tests.sandbox.answers import Answering, plain
from tests.sandbox.exchange import Exchange
from tests.sandbox.faults import COMMIT, OUTCOME, Fault, Kind
from tests.sandbox.partsbox.catalog import OPERATIONS
from tests.sandbox.partsbox.wire import CATEGORY, MESSAGE
from tests.sandbox.wire import Reply

if TYPE_CHECKING:
    from tests.sandbox.server import Sandbox

#: the one operation that writes two entries
TWO_LEGGED = "stock/move"

#: the one operation whose answer has no category
PICTURE = "id-anything-qr"

#: the operations that take a list and answer for all of it
BATCHES = (
    "part/add-meta-part-ids", "part/remove-meta-part-ids", "part/add-substitute-ids", "part/remove-substitute-ids",
    "part/update-custom-fields", "storage/change-settings", "project/create", "project/add-entries",
    "project/update-entries", "project/delete-entries",
)  # fmt: skip

KINDS: dict[str, Kind] = {
    **faults.KINDS,
    "comment_stripped": Kind(COMMIT),
    "marker_lost_on_one_leg": Kind(COMMIT, {"leg": "target"}, only=(TWO_LEGGED,)),
    "batch_cut": Kind(COMMIT, {"kept": 1}, only=BATCHES),
    "batch_gap": Kind(COMMIT, {"position": 1}, only=BATCHES),
    "error_category": Kind(OUTCOME, {"category": "error", "commit": False}),
    "missing_category": Kind(OUTCOME, {"commit": True}, only=OPERATIONS.keys() - {PICTURE}),
}

CHOICES: dict[str, tuple[str, ...]] = {**faults.CHOICES, "leg": ("source", "target")}


async def _error_category(sandbox: "Sandbox[Any]", _exchange: Exchange, fault: Fault, _reply: Reply) -> web.Response:
    body = {CATEGORY: fault.options["category"], MESSAGE: "Fault with an error category"}
    return plain(sandbox, Reply(200, body))


async def _missing_category(sandbox: "Sandbox[Any]", _exchange: Exchange, _fault: Fault, reply: Reply) -> web.Response:
    return plain(sandbox, Reply(200, {name: value for name, value in reply.body.items() if name != CATEGORY}))


ANSWERS: dict[str, Answering] = {
    **answers.ANSWERS,
    "error_category": _error_category,
    "missing_category": _missing_category,
}
