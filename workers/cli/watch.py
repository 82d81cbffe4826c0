"""`stockrelay status --watch`: the same screen anew, until it is told to stop; a Redis that is away does not end it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final, Protocol

import click
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tasks.records import DamagedRecord, State
from workers.cli.relay import LOGIN_ERRORS, PASSING_ERRORS
from workers.cli.screen import Screen, moment, span, visible
from workers.cli.standing_words import NOBODY_SEEN, blocked_words, durability_words, parked_words, process_words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from rich.console import RenderableType

    from workers.cli.standing import Status, VendorStatus

MIN_EVERY_SECONDS: Final = 0.2
MAX_EVERY_SECONDS: Final = 3600.0
#: More of them are counted, not shown.
LANES_SHOWN: Final = 8
PROCESSES_SHOWN: Final = 12
_COLUMNS: Final = (
    "vendor",
    "sent/s",
    "allowed",
    "in flight",
    "open",
    "in doubt",
    "oldest",
    "dead",
    "blocked",
    "paused",
)


class _Show(Protocol):
    """Where each look goes."""

    def __call__(self, found: Status | None, trouble: str) -> None:
        """Show what was found; None, and why, where Redis could not be asked."""


async def watch(read: Callable[[], Awaitable[Status]], every_seconds: float, *, as_json: bool) -> None:
    """Look again and again, until SIGINT or SIGTERM."""
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    with ExitStack() as stack:
        show: _Show = _print_json if as_json else _Frames(stack)
        while not over.is_set():
            found, trouble = None, ""
            try:
                found = await read()
            except LOGIN_ERRORS:  # redis-py counts them among the connection's; none passes by itself
                raise
            except PASSING_ERRORS as error:
                trouble = f"Redis cannot be used now, tried again every {every_seconds:g} s: {error}"
            show(found, trouble)
            with suppress(TimeoutError):
                async with asyncio.timeout(every_seconds):
                    await over.wait()


def _print_json(found: Status | None, trouble: str) -> None:
    click.echo(json.dumps({"error": trouble} if found is None else found.shown()))


class _Frames:
    """Draws each look over the last one on a terminal; elsewhere one below the other."""

    def __init__(self, stack: ExitStack) -> None:
        self._screen = Screen()
        self._live: Live | None = None
        if sys.stdout.isatty():
            self._live = stack.enter_context(Live(console=self._screen.console, screen=True, auto_refresh=False))
        self._before: Status | None = None

    def __call__(self, found: Status | None, trouble: str) -> None:
        if found is None:
            content: RenderableType = Text(visible(trouble))
        else:
            content = frame(found, self._before)
            self._before = found
        if self._live is None:
            self._screen.show(Group(content, ""))
        else:
            self._live.update(content, refresh=True)


def frame(found: Status, before: Status | None) -> Group:
    """Draw one look; `before` is the last one, against which requests a second are counted."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for place, name in enumerate(_COLUMNS):
        table.add_column(name, no_wrap=place == 0, overflow="fold", justify="left" if place == 0 else "right")
    for each in found.vendors:
        table.add_row(*_cells(each, found, before))
    return Group(*_head(found), "", table, *_blocked(found), *_processes(found))


def _head(found: Status) -> Iterator[Text]:
    yield Text(f"{moment(found.now_ms)}  redis {visible(found.address)}", style="bold")
    is_weak = found.durability is None or not found.durability.is_durable
    yield Text(f"keeps {durability_words(found.durability)}", style="red" if is_weak else "")
    if words := parked_words(found.parked):
        yield Text(f"parked hints {words}", style="red")


def _cells(each: VendorStatus, found: Status, before: Status | None) -> list[Text]:
    limits = each.limits
    ghosts = f" +{limits.ghosts} kept" if limits.ghosts else ""
    slow = limits.factor < 1 or limits.probing
    speed = f" at {limits.factor:.0%}" if slow else ""
    dead, doubt = each.dead_letters, each.counts.get(State.IN_DOUBT, 0)
    return [
        Text(each.vendor),
        Text(_per_second(each, found, before)),
        Text((", ".join(map(str, limits.rates)) or "any") + speed, style="yellow" if slow else ""),
        Text(f"{limits.in_flight}/{limits.concurrency}{ghosts}"),
        Text(str(each.open)),
        Text(str(doubt), style="yellow" if doubt else ""),
        Text(_oldest(each, found.now_ms)),
        Text(str(dead), style="red" if dead else ""),
        Text(str(len(each.blocked)), style="yellow" if each.blocked else ""),
        Text(_pause(each, found.now_ms), style="yellow"),
    ]


def _per_second(each: VendorStatus, found: Status, before: Status | None) -> str:
    if before is None or found.now_ms <= before.now_ms:
        return "-"
    granted = {one.vendor: one.limits.granted_total for one in before.vendors}
    more = each.limits.granted_total - granted.get(each.vendor, 0)
    return f"{max(more, 0) * 1000 / (found.now_ms - before.now_ms):.1f}"


def _oldest(each: VendorStatus, now_ms: int) -> str:
    if each.oldest is None:
        return "-"
    return "damaged" if isinstance(each.oldest, DamagedRecord) else span((now_ms - each.oldest.accepted_ms) / 1000)


def _pause(each: VendorStatus, now_ms: int) -> str:
    if each.limits.operator_paused:
        return "until resumed"
    until_ms = each.limits.paused_until_ms
    return "-" if until_ms is None else f"for {span((until_ms - now_ms) / 1000)}"


def _blocked(found: Status) -> Iterator[RenderableType]:
    lanes = [(each.vendor, lane) for each in found.vendors for lane in each.blocked]
    lanes.sort(key=lambda one: -one[1].behind)
    if lanes:
        yield ""
        yield Text("blocked lanes", style="bold")
    for vendor, lane in lanes[:LANES_SHOWN]:
        yield Text(visible(f"{vendor} {blocked_words(lane, found.now_ms)}"))
    if len(lanes) > LANES_SHOWN:
        yield Text(f"and {len(lanes) - LANES_SHOWN} more")


def _processes(found: Status) -> Iterator[RenderableType]:
    yield ""
    yield Text("processes", style="bold")
    for seen in found.processes[:PROCESSES_SHOWN]:
        yield Text(visible(process_words(seen, found.now_ms)), style="red" if seen.is_silent else "")
    if len(found.processes) > PROCESSES_SHOWN:
        yield Text(f"and {len(found.processes) - PROCESSES_SHOWN} more")
    if not found.processes:
        yield Text(NOBODY_SEEN, style="red")
