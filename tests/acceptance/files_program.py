"""`stockrelay-files run` as a process, with feeds from a file, for tests that freeze and kill it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import redis

from tests.process import Process
from tests.unit.file_harness import SHELF

if TYPE_CHECKING:
    from pathlib import Path

COMMAND: Final = (sys.executable, "-m", "producers.files.main")
HEADER: Final = "quantity,note\n"
CONFIG: Final = f"""
[feeds.goods-in]
path = "drop"
pattern = "*.csv"
format = "csv"
kind = "stock.add"
settle_seconds = 0.5
poll_seconds = 0.5

[feeds.goods-in.fields]
part_id = {{ column = "note" }}
storage_id = {{ value = "{SHELF}" }}
quantity = {{ column = "quantity" }}
"""


def rows(first: int, last: int, *, parts: int = 50) -> str:
    """Rows whose quantity tells which one they are, for so many parts in turn."""
    return "".join(f"{number},{str(number % parts).rjust(26, '0')}\n" for number in range(first, last))


class FilesProgram(Process):
    """One program with a folder, an outbox and a configuration of its own, which survive a restart."""

    def __init__(self, folder: Path, redis_url: str, *, config: str | None = CONFIG, **settings: str) -> None:
        self.drop = folder / "drop"
        self.redis_url = redis_url
        config_file = folder / "stockrelay.toml"
        if config is not None:
            config_file.write_text(config)
            settings = {"STOCKRELAY_FILES_CONFIG": str(config_file), **settings}
        self.environment = {
            **os.environ,
            "REDIS_URL": redis_url,
            "STOCKRELAY_FILES_OUTBOX": str(folder / "files.sqlite3"),
            **settings,
        }
        self.folder = folder
        super().__init__(
            "files",
            [*COMMAND, "run"],
            log=folder / "files.log",
            ready=lambda: self.printed("feeds.read"),
            environment=self.environment,
            folder=folder,
        )

    def put(self, name: str, content: str) -> None:
        """Drop a file as a careful sender does: renamed into place."""
        incoming = self.drop / "in"
        incoming.mkdir(parents=True, exist_ok=True)
        draft = incoming / f"{name}.part"
        draft.write_text(content)
        draft.rename(incoming / name)

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the program with other arguments, beside the one that runs or alone."""
        return run(*arguments, folder=self.folder, environment=self.environment)

    def commands(self) -> int:
        """How many commands the ledger holds."""
        return sum(ledger_counts(self.redis_url).values())

    def quantities(self) -> list[int]:
        """The quantities of all commands in the ledger, in order."""
        with redis.Redis.from_url(self.redis_url, decode_responses=True) as client:
            keys = list(client.scan_iter("sr:{partsbox}:cmd:*", count=5_000))
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.hget(key, "command")
            texts = pipeline.execute()
        return sorted(int(text.partition('"quantity":')[2].partition(",")[0].rstrip("}")) for text in texts)

    def left(self) -> list[str]:
        """What lies in `in/` and `work/`."""
        return sorted(path.name for place in ("in", "work") for path in (self.drop / place).glob("[!.]*"))

    def done(self) -> list[Path]:
        """The files that ended well."""
        return [path for path in (self.drop / "done").glob("*/*/*/*") if path.suffix == ".csv"]


def ledger_counts(redis_url: str) -> dict[str, int]:
    """Count the commands of PartsBox by state."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        return {state: int(count) for state, count in client.hgetall("sr:{partsbox}:counts").items()}


def run(*arguments: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
