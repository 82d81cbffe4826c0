"""100,000 commands sent to a webhooks server whose Redis and disk are too small for them: what it says, and keeps."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import redis

from tasks.ledger import prefix_of
from tests.benchmarks.measure import rss_mib
from tests.process import wait_until
from tests.sandbox import partsbox
from tests.stack import API_TOKEN, WEBHOOKS, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMANDS: Final = 100_000
SENDERS: Final = 32
PARTS: Final = 1_000
#: Room for about a third of the commands; the disk takes another part.
REDIS_MIB: Final = 48
SPOOL_MIB: Final = 16
#: So many refusals are seen before Redis gets more room.
REFUSALS: Final = 500
PATIENCE_SECONDS: Final = 1_800.0
_LOOK_SECONDS: Final = 0.5
_FIRST_MS: Final = 1_790_000_000_000


@dataclass(slots=True)
class Findings:
    """What the senders saw and what was kept."""

    sent: int = 0
    seconds: float = 0.0
    states: dict[str, int] = field(default_factory=dict)
    refusals: int = 0
    refusals_without_retry_after: int = 0
    connections_lost: int = 0
    other_answers: dict[str, int] = field(default_factory=dict)
    #: Of the server process: when it had taken a tenth, and the most.
    early_mib: float = 0.0
    most_mib: float = 0.0
    keys: set[str] = field(default_factory=set)
    in_ledger: int = 0
    left_on_disk: int = 0

    @property
    def is_right(self) -> bool:
        kept = self.in_ledger == self.sent == len(self.keys)
        wrong = self.refusals_without_retry_after or self.connections_lost or self.other_answers
        return kept and self.refusals >= REFUSALS and not wrong

    def lines(self) -> list[str]:
        """Tell it to a person."""
        return [
            (
                f"{self.sent} commands in {self.seconds:.0f} s: answered {self.states}, {self.refusals} times 503, "
                f"{self.refusals_without_retry_after} of them without Retry-After, {self.connections_lost} connections "
                f"lost, others {self.other_answers}"
            ),
            f"memory of the server: {self.early_mib:.0f} MiB at a tenth, {self.most_mib:.0f} MiB at most",
            f"in the ledger at the end: {self.in_ledger}, {len(self.keys)} different keys promised",
        ]


def run(folder: Path, commands: int = COMMANDS) -> Findings:
    """Play the drill; raises TimeoutError when the disk is not emptied at the end."""
    settings = {
        "STOCKRELAY_WEBHOOKS_SPOOL_MAX_MIB": str(SPOOL_MIB),
        "STOCKRELAY_WEBHOOKS_REQUESTS_PER_MINUTE": "1000000",
    }
    with Stack(folder, workers=0, settings=settings) as stack, _ledger(stack) as ledger:
        ledger.config_set("maxmemory", f"{REDIS_MIB}mb")
        found = asyncio.run(_send(stack, ledger, commands))
        count = f"{prefix_of('partsbox')}counts"
        wait_until(
            lambda: sum(map(int, ledger.hgetall(count).values())) >= commands, "the disk is emptied", PATIENCE_SECONDS
        )
        found.in_ledger = sum(map(int, ledger.hgetall(count).values()))
        return found


@contextlib.contextmanager
def _ledger(stack: Stack) -> Iterator[Any]:
    client = redis.Redis.from_url(stack.redis_url, decode_responses=True)
    with contextlib.closing(client):
        yield client


async def _send(stack: Stack, ledger: Any, commands: int) -> Findings:
    found, started = Findings(), time.monotonic()
    numbers = iter(range(commands))
    headers = {"Authorization": f"Bearer {API_TOKEN}"}
    watching = asyncio.create_task(_watch(stack, ledger, found, commands))
    async with aiohttp.ClientSession(headers=headers) as session, asyncio.TaskGroup() as group:
        for _ in range(SENDERS):
            group.create_task(_send_each(session, f"{stack.api_url}/v1/commands", numbers, found))
    watching.cancel()
    found.seconds = time.monotonic() - started
    return found


async def _send_each(session: aiohttp.ClientSession, url: str, numbers: Iterator[int], found: Findings) -> None:
    for number in numbers:
        while not await _ask(session, url, _command(number), found):
            pass


async def _ask(session: aiohttp.ClientSession, url: str, command: dict[str, Any], found: Findings) -> bool:
    """Send once; False when it must be sent again, after the time that the server asked for."""
    try:
        return await _post(session, url, command, found)
    except aiohttp.ClientConnectionError:
        # an idle connection that the server closed in the moment of sending
        found.connections_lost += 1
        return False


async def _post(session: aiohttp.ClientSession, url: str, command: dict[str, Any], found: Findings) -> bool:
    async with session.post(url, json=command) as answer:
        if answer.status == 202:
            told = await answer.json()
            found.sent += 1
            found.keys.add(told["key"])
            found.states[told["state"]] = found.states.get(told["state"], 0) + 1
            return True
        await answer.read()
    if answer.status != 503:
        found.other_answers[str(answer.status)] = found.other_answers.get(str(answer.status), 0) + 1
        return False
    found.refusals += 1
    wait = answer.headers.get("Retry-After")
    found.refusals_without_retry_after += wait is None
    await asyncio.sleep(float(wait or 1))
    return False


async def _watch(stack: Stack, ledger: Any, found: Findings, commands: int) -> None:
    """Look at the server's memory; give Redis more room once enough was refused."""
    pid, is_wide = stack.processes[WEBHOOKS].pid, False
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        now_mib = rss_mib(pid)
        found.most_mib = max(found.most_mib, now_mib)
        if not found.early_mib and found.sent >= commands // 10:
            found.early_mib = now_mib
        if found.refusals >= REFUSALS and not is_wide:
            ledger.config_set("maxmemory", "0")
            is_wide = True


def _command(number: int) -> dict[str, Any]:
    return {
        "kind": "stock.add",
        "part_id": partsbox.id_for("part", f"drill-{number % PARTS}"),
        "storage_id": partsbox.id_for("storage", "drill-shelf"),
        "quantity": 1,
        "stock_timestamp": _FIRST_MS + number,
    }
