"""PartBolt as it is assumed: parts, read only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks import cad
from workers.dry_run.books import NotKnownError, Record, Reply, Shelf, StockChange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.commands import Command


class PartBoltBooks:
    """PartBolt as far as our requests go."""

    def __init__(self, given: Mapping[str, Mapping[str, Record]]) -> None:
        self.parts = Shelf(given.get("parts"))
        self.moved: list[StockChange] = []
        self.stand_ins: dict[str, str] = {}

    def begin(self) -> None:
        self.parts.forget()

    def suppose(self, command: Command) -> list[str]:
        if isinstance(command, cad.ImportPart) and not self.parts.is_known:
            raise NotKnownError(f"part {command.item_id}: all that is written comes from it; give it in parts")
        return []

    def answer(self, _method: str, _path: str, query: Mapping[str, str], _body: Any) -> Reply:
        part = self.parts.find(query["id"])
        if part is None:
            return Reply(404, {"status": "error", "error": {"code": "not_found", "message": "not there as assumed"}})
        return Reply(200, {"status": "ok", "data": part})
