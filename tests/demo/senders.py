"""What the day's other producers send: signed webhooks of a kanban system, a file of returns; and how they are read."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import io
import json
from typing import TYPE_CHECKING, Any, Final

from standardwebhooks import Webhook

from tests.demo.scenario import BIN_PARTS, ORDER_PARTS, SHELF_PARTS
from tests.sandbox.partsbox import id_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: The environment variable that holds what the kanban system signs with.
KANBAN_SECRET_NAME: Final = "KANBAN_WEBHOOK_SECRET"
KANBAN_SECRET: Final = "whsec_" + base64.b64encode(b"a secret of the kanban system").decode()
FILE_NAME: Final = "returns.csv"

_PARTS: Final = {name: id_for("part", name) for name in (*SHELF_PARTS, *BIN_PARTS, *ORDER_PARTS)}
_PLACES: Final = {name: id_for("storage", name) for name in ("shelf-1", "shelf-2", "shelf-3")}


def _inline(table: dict[str, str]) -> str:
    return "{ " + ", ".join(f'"{name}" = "{value}"' for name, value in table.items()) + " }"


def configuration(drop: Path) -> str:
    """Write the sources and feeds of the day, for `stockrelay.toml`."""
    return f"""
[sources.kanban]
scheme = "standard-webhooks"
secrets = [{{ env = "{KANBAN_SECRET_NAME}" }}]
time = {{ field = "event.at_ms", unit = "ms" }}
tables.parts = {_inline(_PARTS)}
tables.places = {_inline(_PLACES)}
[[sources.kanban.commands]]
when = "event.type == 'stock.add'"
kind = "stock.add"
fields.part_id = "lookup('parts', event.part)"
fields.storage_id = "lookup('places', event.place)"
fields.quantity = "event.pieces"
[[sources.kanban.commands]]
when = "event.type == 'stock.remove'"
kind = "stock.remove"
fields.part_id = "lookup('parts', event.part)"
fields.storage_id = "lookup('places', event.place)"
fields.quantity = "event.pieces"

[feeds.returns]
path = "{drop}"
pattern = "*.csv"
format = "csv"
kind = "stock.add"
[feeds.returns.fields]
part_id = {{ column = "Part", values = {_inline(_PARTS)} }}
storage_id = {{ column = "Shelf", values = {_inline(_PLACES)} }}
quantity = {{ column = "Pieces" }}
"""


def signed(event_id: str, event: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Give body and headers of a delivery, signed as Standard Webhooks asks for."""
    body = json.dumps(event)
    now = dt.datetime.now(dt.UTC)
    signature = Webhook(KANBAN_SECRET).sign(event_id, now, body)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    return body.encode(), headers


def returns(rows: Sequence[tuple[str, str, int]]) -> str:
    """Write the file that is dropped."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("Part", "Shelf", "Pieces"))
    writer.writerows(rows)
    return text.getvalue()
