"""The worker of `workers.main`, which a test arms to stop itself with a signal at one boundary of a command's life.

`celery -A tests.chaos.breaking_worker worker …` with CHAOS_BOUNDARY (a name of BOUNDARIES), CHAOS_BATCH and
CHAOS_KINDS: when one command of each of these kinds of that batch is at the boundary, the process sends itself
CHAOS_SIGNAL.
Commands of others pass. Nothing in the product knows of this: its methods are wrapped here.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import sys
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from celery.signals import task_received

from tasks.app import app
from tasks.ledger import Ledger
from workers import main, runtime
from workers.vendors import base
from workers.vendors.base import VendorClient
from workers.work import Intent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: `main` fills the application with the tasks.
__all__ = ("app", "main")

#: The signal reaches one thread of the process after the other: this one must not run on meanwhile.
SIGNAL_SECONDS: Final = 0.3

#: boundary -> the steps at which it is, and whether it is before or after them
BOUNDARIES: Final[dict[str, tuple[str, tuple[tuple[type[Any], str], ...]]]] = {
    "claimed": ("after", ((Ledger, "claim"),)),
    "intent written": ("after", ((Intent, "permitted"),)),
    "connected": ("after", ((aiohttp.TCPConnector, "_create_connection"),)),
    "answer read": ("after", ((VendorClient, "write"),)),
    "before settle": ("before", ((Ledger, "settle"), (Ledger, "expand"))),
    "before ack": ("after", ((Ledger, "settle"), (Ledger, "expand"))),
    "in doubt": ("after", ((Ledger, "doubt"),)),
    "found absent": ("after", ((Ledger, "absent"),)),
}


@dataclass
class Boundary:
    """Where the armed commands gather; the last to come pulls the trigger."""

    batch: str
    #: Kinds that have not come yet.
    missing: set[str]
    signal: signal.Signals
    #: key -> kind, of the commands that are armed
    armed: dict[str, str] = field(default_factory=dict)
    gathered: asyncio.Event = field(default_factory=asyncio.Event)

    def met(self, key: str, kind: str, command: str) -> None:
        """Note a claimed command: is it one of those that are armed?"""
        if json.loads(command)["source"] == f"{self.batch}.{kind}":
            self.armed[key] = kind

    async def reach(self, key: str) -> None:
        """Hold an armed command here until all are here."""
        kind = self.armed.get(key)
        if kind is None or self.gathered.is_set():
            return
        self.missing.discard(kind)
        if not self.missing:
            os.kill(os.getpid(), self.signal)
            time.sleep(SIGNAL_SECONDS)  # noqa: ASYNC251  it is the loop's thread that must stand still
            self.gathered.set()  # after SIGSTOP and SIGCONT
        await self.gathered.wait()


#: The key of the command whose write this asyncio task is in.
_writing: ContextVar[str] = ContextVar("writing", default="")


def _wrap(owner: type[Any], name: str, wrapper: Callable[..., Awaitable[Any]]) -> None:
    setattr(owner, name, functools.partialmethod(wrapper, getattr(owner, name)))


def _arm(boundary: Boundary, where: str) -> None:
    when, steps = BOUNDARIES[where]

    async def claim(self: Any, step: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        claimed = await step(self, *args, **options)
        if claimed.record is not None:
            boundary.met(claimed.record.key, claimed.record.kind, claimed.record.command)
        return claimed

    async def write(self: Any, step: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        _writing.set(args[-1].key)
        try:
            return await step(self, *args)
        finally:
            _writing.set("")

    async def passing(self: Any, step: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        match self:
            case Ledger():
                key = args[0]
            case Intent():
                key = self.key
            case _:
                key = getattr(args[-1], "key", _writing.get())
        if when == "before":
            await boundary.reach(key)
        outcome = await step(self, *args, **options)
        if when == "after":
            await boundary.reach(key)
        return outcome

    _wrap(Ledger, "claim", claim)
    _wrap(VendorClient, "write", write)
    for owner, name in steps:
        _wrap(owner, name, passing)


@task_received.connect  # type: ignore[untyped-decorator]  # Celery ships no types
def _tell(request: Any, **_: Any) -> None:
    # Celery's own line is not logged by a worker
    sys.stderr.write(f"[{request.id}] received\n")


def _configure(environment: dict[str, str]) -> None:
    vars(base)["WARM_SECONDS"] = 0.0  # else a kept connection passes the boundary "connected" by
    if "CHAOS_BOUNDARY" in environment:
        kinds = set(environment["CHAOS_KINDS"].split(","))
        number = signal.Signals[environment.get("CHAOS_SIGNAL", "SIGKILL")]
        _arm(Boundary(environment["CHAOS_BATCH"], kinds, number), environment["CHAOS_BOUNDARY"])
    if "CHAOS_STALE_HINT_SECONDS" in environment:
        seconds = float(environment["CHAOS_STALE_HINT_SECONDS"])
        vars(runtime)["Ledger"] = functools.partial(Ledger, stale_hint_seconds=seconds)
    if "CHAOS_VISIBILITY_SECONDS" in environment:
        seconds = float(environment["CHAOS_VISIBILITY_SECONDS"])
        brief = {"visibility_timeout": seconds, "unacked_restore_interval": 0.2, "unacked_mutex_expire": 1}
        app.conf.broker_transport_options = {**app.conf.broker_transport_options, **brief}


_configure(dict(os.environ))
