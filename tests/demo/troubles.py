"""What goes wrong on the day: at each vendor, and with our own processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.demo.records import ONTOLOGY
from tests.demo.scenario import OPENBOM, PARTIUM, PARTSBOX

if TYPE_CHECKING:
    from tests.demo.play import Player

MAINTENANCE_SECONDS: Final = 3.0
#: Set at PartsBox before the first command, so that they hit whatever comes.
LOST: Final[list[dict[str, Any]]] = [
    {"kind": "accept_then_drop", "operation": "stock/move", "skip": 3},
    {"kind": "accept_then_drop", "operation": "stock/add", "skip": 2},
    {"kind": "accept_then_drop", "operation": "order/receive", "skip": 1},
    {"kind": "drop_before", "operation": "stock/remove", "skip": 1},
]


def prepare(player: Player) -> None:
    """Give the catalog the attributes that the day's parts have, and set what gets lost."""
    player.control(PARTIUM, "POST", "fixture", ONTOLOGY)
    player.control(PARTSBOX, "POST", "faults", LOST)
    player.happened("PartsBox will lose three answers after booking and one request before it")


def at_partsbox(player: Player) -> None:
    """Let the vendor refuse for a while, then kill the worker in the middle of a request, then kill Redis."""
    player.wait_for(PARTSBOX, 8)
    storm = {"kind": "status", "status": 429, "count": 3, "retry_after": "seconds", "retry_after_seconds": 1.0}
    player.control(PARTSBOX, "POST", "faults", storm)
    player.happened("PartsBox answers 429 three times")
    player.wait_for(PARTSBOX, 20)
    _kill_the_worker(player)
    player.wait_for(PARTSBOX, 40)
    player.stack.restart_valkey()
    player.happened("Redis was killed and started again")


def _kill_the_worker(player: Player) -> None:
    gate = {"kind": "gate", "gate": "door", "operation": "stock/move", "count": 1}
    player.control(PARTSBOX, "POST", "faults", gate)
    player.wait_until(lambda: player.control(PARTSBOX, "GET", "gates/door")["arrived"] > 0, "no move came to PartsBox")
    player.stack.worker.kill()
    player.happened("the worker of PartsBox was killed while the vendor had its request")
    player.control(PARTSBOX, "POST", "gates/door", {"open": True})
    player.stack.start_worker()
    player.happened("a new worker took over")


def at_partium(player: Player) -> None:
    """Close the catalog for maintenance in the middle of the feed; then the answer to the first batch gets lost."""
    player.wait_for(PARTIUM, 40)
    player.control(PARTIUM, "POST", "maintenance", {"on": True})
    player.happened(f"Partium is in maintenance for {MAINTENANCE_SECONDS:g} seconds: it refuses every write")
    player.rest(MAINTENANCE_SECONDS)
    player.control(PARTIUM, "POST", "faults", {"kind": "accept_then_drop", "operation": "parts/upsert"})
    player.control(PARTIUM, "POST", "maintenance", {"on": False})
    player.wait_until(lambda: bool(_requests(player, "accept_then_drop")), "Partium got no batch after maintenance")
    (lost,) = _requests(player, "accept_then_drop")
    player.happened(f"Partium is back, and lost the answer to a batch of {len(lost['subjects'])}")
    refused = len(_requests(player, "maintenance"))
    player.record.troubles[PARTIUM] = [{"kind": "maintenance", "operation": "writes", "fired": refused}]


def _requests(player: Player, outcome: str) -> list[dict[str, Any]]:
    """List the requests to Partium that ended so."""
    requests = player.control(PARTIUM, "GET", "journal")["requests"]
    return [request for request in requests if request["outcome"] == outcome]


def at_openbom(player: Player) -> None:
    """End the access token that the worker has."""
    player.wait_for(OPENBOM, 4)
    ended = player.control(OPENBOM, "POST", "tokens/expire")["ended"]
    player.happened("OpenBOM let the worker's access token expire")
    player.record.troubles[OPENBOM] = [{"kind": "expired token", "operation": "all", "fired": ended}]
