"""A site in the middle of an upgrade: two vendors, one Redis, and workers of whichever release a test starts."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tasks.redis_client import open_redis
from tasks.submit import Submitter
from tests.ledgers import OPEN_STATES, Ledgers
from tests.releases.scene import CATALOG, PARTIUM, PARTSBOX, ROUTES, ROUTES_TOML, ROUTING, stock_up
from tests.sandbox.partium import API_KEY as PARTIUM_KEY
from tests.sandbox.partium import PartiumSandbox
from tests.sandbox.partsbox import API_KEY, API_USER, PartsBoxSandbox, id_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from redis.asyncio import Redis

    from tests.process import Process
    from tests.releases.code import Code

#: Longer than anything here takes on a busy machine.
PATIENCE_SECONDS: Final = 120.0
VENDORS: Final = (PARTSBOX, PARTIUM, ROUTING)
_STOCKRELAY: Final = Path(sys.executable).with_name("stockrelay")


@dataclass
class Site:
    """One Redis and two vendors in this process; `workers` starts real workers beside them."""

    folder: Path
    url: str
    redis: Redis
    partsbox: PartsBoxSandbox
    partium: PartiumSandbox
    processes: ExitStack = field(default_factory=ExitStack)

    @property
    def settings(self) -> dict[str, str]:
        """The settings of every process: short times, so that nobody waits for a person's hour."""
        routes = self.folder / "routes.toml"
        routes.write_text(ROUTES_TOML)
        return {
            "REDIS_URL": self.url,
            "STOCKRELAY_ROUTING_CONFIG": str(routes),
            "STOCKRELAY_WORKER_LEASE_SECONDS": "2",
            "STOCKRELAY_WORKER_RECONCILE_AT": "off",
            "STOCKRELAY_PARTSBOX_URL": self.partsbox.url,
            "STOCKRELAY_PARTSBOX_API_KEY": API_KEY,
            "STOCKRELAY_PARTSBOX_USER": API_USER,
            "STOCKRELAY_PARTSBOX_RATES": "100/1s+10",
            "STOCKRELAY_PARTSBOX_TIMEOUT_SECONDS": "5",
            "STOCKRELAY_PARTSBOX_SETTLE_SECONDS": "1",
            "STOCKRELAY_PARTIUM_URL": self.partium.url,
            "STOCKRELAY_PARTIUM_API_KEY": PARTIUM_KEY,
            "STOCKRELAY_PARTIUM_RATES": "100/1s+10",
            "STOCKRELAY_PARTIUM_TIMEOUT_SECONDS": "5",
            "STOCKRELAY_PARTIUM_SETTLE_SECONDS": "1",
        }

    @property
    def submitter(self) -> Submitter:
        """The producer of today."""
        return Submitter(self.redis, routes=ROUTES)

    async def workers(self, code: Code, vendors: Sequence[str] = VENDORS, name: str = "") -> list[Process]:
        """Start workers that run this code."""
        started = [code.worker(vendor, self.folder, self.settings, name) for vendor in vendors]
        await self.start(*started)
        return started

    async def start(self, *processes: Process) -> None:
        """Start processes, and return once they are ready."""
        for process in processes:
            self.processes.callback(process.kill)
            process.launch()
        for process in processes:
            await asyncio.to_thread(process.wait_ready)

    async def ask(self, *words: str, code: Code | None = None) -> Any:
        """Run the operator's program, of today unless other code is given, and read the JSON that it prints."""
        environment = {**os.environ, **self.settings} if code is None else code.environment(self.settings)
        program = [str(_STOCKRELAY)] if code is None else [sys.executable, "-c", _MAIN]
        ended = await asyncio.to_thread(
            subprocess.run, [*program, *words], env=environment, cwd=self.folder, capture_output=True, check=False
        )
        assert ended.returncode == 0, ended.stderr.decode()
        return json.loads(ended.stdout) if "--json" in words else ended.stdout.decode()

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that is seen from outside."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not condition():  # noqa: ASYNC110  nothing tells
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{what}: not within {PATIENCE_SECONDS:g} s; {self.counts()}") from None

    async def until_still(self, waiting: int = 0) -> None:
        """Wait until no command is open but so many that wait for a person."""
        await self.until(lambda: self.open == waiting, f"all but {waiting} have ended")

    @property
    def open(self) -> int:
        """Count the commands that have not ended."""
        return sum(count[state] for count in self.counts().values() for state in OPEN_STATES)

    def counts(self) -> dict[str, Counter[str]]:
        """Count the commands of each vendor by state."""
        return Ledgers(self.url, VENDORS).counts()

    def fields(self, key: str, vendor: str = PARTSBOX) -> dict[str, str]:
        """Give what the ledger keeps of a command."""
        found: dict[str, str] = Ledgers(self.url, VENDORS).story(vendor, key)["fields"]
        return found

    def reasons(self) -> set[str]:
        """Give every reason of a step that PartsBox's ledger tells."""
        return {step.reason for step in Ledgers(self.url, VENDORS).steps(PARTSBOX)}

    def sent(self) -> Counter[str]:
        """Count what PartsBox has carried out for each command."""
        return Counter(_key(effect.marker) for effect in self.partsbox.journal.own_effects())

    def carried_out(self, part: str) -> list[str]:
        """List the keys of the commands that were carried out on a part, in order."""
        effects = self.partsbox.journal.own_effects()
        return [_key(one.marker) for one in effects if any(leg.part_id == id_for("part", part) for leg in one.legs)]

    async def releases_seen(self) -> set[str]:
        """Tell which releases the workers that are there say they are."""
        found = await self.ask("status", "--json")
        return {one["release"] for one in found["processes"] if one["role"] == "worker" and not one["silent"]}


def _key(marker: str | None) -> str:
    return (marker or "").removeprefix("[cmd:").removesuffix("]")


_MAIN: Final = "from workers.cli import main; main(prog_name='stockrelay')"


@asynccontextmanager
async def open_site(folder: Path, url: str) -> AsyncIterator[Site]:
    """Open the vendors and an empty Redis; every process that was started is gone afterwards."""
    redis = open_redis(url)
    async with PartsBoxSandbox.running() as partsbox, PartiumSandbox.running(seed_fixture=CATALOG) as partium:
        stock_up(partsbox)
        site = Site(folder, url, redis, partsbox, partium)
        try:
            with site.processes:
                yield site
        finally:
            await redis.aclose()
