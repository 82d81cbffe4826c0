"""A vendor's worker processes for a measurement: started together, and given more work than they can do."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

import redis
import requests

from tasks.ledger import prefix_of
from tasks.redis_client import open_redis
from tasks.submit import Submitter
from tests.backing import ROOT
from tests.process import Process, wait_until
from tests.stack import Stack, read_procfile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tasks.commands import Command

#: The Celery application that the Procfile names.
WORKERS: Final = "workers.main"
#: Submitted at once: fewer than Redis' client opens connections for.
CHUNK: Final = 64


@dataclass
class Crew:
    """Workers of one vendor on servers of their own: `with Crew(...) as crew`; afterwards everything is killed.

    `module` is the Celery application, `options` come behind those of the Procfile.
    """

    folder: Path
    vendor: str
    count: int
    settings: Mapping[str, str]
    sandbox_options: Sequence[str]
    module: str = WORKERS
    options: str = ""
    workers: list[Process] = field(default_factory=list)
    _cleanup: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @cached_property
    def stack(self) -> Stack:
        """Server and vendor."""
        return Stack(
            self.folder,
            vendors=(self.vendor,),
            workers=0,
            webhooks=False,
            settings=self.settings,
            sandbox_options={self.vendor: self.sandbox_options},
            environment={},
        )

    @cached_property
    def ledger(self) -> Any:
        """The server that holds the ledger."""
        client = redis.Redis.from_url(self.stack.redis_url, decode_responses=True)
        self._cleanup.callback(client.close)
        return client

    def __enter__(self) -> Self:
        try:
            self._cleanup.enter_context(self.stack)
            self.hire(self.count)
        except BaseException:  # an interrupt while one of them starts must not leave the others behind
            self._cleanup.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def hire(self, count: int) -> list[Process]:
        """Start so many more workers side by side; return once they are ready."""
        new = [self._worker(len(self.workers) + number) for number in range(1, count + 1)]
        self.workers += new
        for worker in new:
            self._cleanup.callback(worker.kill)
            worker.launch()
        for worker in new:
            worker.wait_ready()
        return new

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the sandbox's control API."""
        answer = requests.request(method, f"{self.stack.control_url}/{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def submit(self, commands: Sequence[Command]) -> list[str]:
        """Put the commands into the ledger; gives their keys."""
        return asyncio.run(_submit(self.stack.redis_url, commands))

    def fields(self, keys: Sequence[str], *names: str) -> list[list[str | None]]:
        """Read these fields of the commands' records."""
        pipeline = self.ledger.pipeline(transaction=False)
        for key in keys:
            pipeline.hmget(f"{prefix_of(self.vendor)}cmd:{key}", *names)
        return list(pipeline.execute())

    def counts(self) -> dict[str, int]:
        """Count the commands by state."""
        found: Mapping[str, str] = self.ledger.hgetall(f"{prefix_of(self.vendor)}counts")
        return {state: int(count) for state, count in found.items()}

    def until_ended(self, count: int, seconds: float) -> None:
        """Return when so many commands have ended."""
        ends = ("applied", "rejected", "held")
        wait_until(lambda: sum(self.counts().get(end, 0) for end in ends) >= count, f"{count} commands end", seconds)

    def _worker(self, number: int) -> Process:
        # a node name of its own: two of one name on one machine answer each other's remote control
        name = f"{self.vendor}-{number}"
        command = read_procfile()[self.vendor].replace(WORKERS, self.module)
        process = Process(
            name,
            ["/bin/sh", "-c", f"{command} {self.options} -n {name}@%h"],
            log=self.folder / f"{name}.log",
            ready=lambda: process.printed(" ready."),
            environment=self.stack.environment,
            folder=ROOT,
        )
        return process


async def _submit(url: str, commands: Sequence[Command]) -> list[str]:
    client = open_redis(url)
    try:
        submitter = Submitter(client)
        keys: list[str] = []
        for start in range(0, len(commands), CHUNK):
            accepted = await asyncio.gather(*map(submitter.submit, commands[start : start + CHUNK]))
            keys += [one.key for one in accepted]
        return keys
    finally:
        await client.aclose()
