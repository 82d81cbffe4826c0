"""Commands as a person types them, or puts them into a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tasks.registry import parse_command
from tests.integration.cli_harness import EVENT_MS, PART, STORAGE

if TYPE_CHECKING:
    from pathlib import Path

ADD: Final = {"part_id": PART, "storage_id": STORAGE, "quantity": 5, "stock_timestamp": EVENT_MS}
KEY: Final = parse_command("stock.add", ADD).key()
WORDS: Final = ("stock.add", *(f"{name}={value}" for name, value in ADD.items()))


def a_file(folder: Path, *commands: dict[str, Any], name: str = "commands.jsonl") -> str:
    path = folder / name
    path.write_text("\n".join(map(json.dumps, commands)))
    return str(path)


def numbered(number: int, **fields: Any) -> dict[str, Any]:
    return {"kind": "stock.add", **ADD, "stock_timestamp": EVENT_MS + number, **fields}
