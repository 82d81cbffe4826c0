"""What surrounds the plays of a process: chance and log are those of the play that goes on; no garbage collector."""

from __future__ import annotations

import gc
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.simulation.chance import own_chance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random


class BrokenError(Exception):
    """A worker has logged an error of its own: the text of the log, its traceback included."""


class Surroundings:
    """What a process has but one of; `turn_to` gives it to a play."""

    def __init__(self, follow: Callable[[Random], None], breaking: _Breaking) -> None:
        self._follow = follow
        self._breaking = breaking

    def turn_to(self, ids: Random, failures: list[Exception]) -> None:
        """Draw ids from this stream from now on, and break this play by what a worker logs as an error."""
        self._follow(ids)
        self._breaking.failures = failures


@contextmanager
def surroundings() -> Iterator[Surroundings]:
    """Surround plays until the block ends."""
    with own_chance() as follow, _errors_told() as breaking, _no_collection():
        yield Surroundings(follow, breaking)


class _Breaking(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.failures: list[Exception] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.failures.append(BrokenError(self.format(record)))


@contextmanager
def _errors_told() -> Iterator[_Breaking]:
    """Break a play by what a worker logs as an error; leave out all other logging, which costs most of the time."""
    handler = _Breaking()
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with silence(logging.WARNING):
            yield handler
    finally:
        root.removeHandler(handler)


@contextmanager
def silence(highest: int = logging.CRITICAL) -> Iterator[None]:
    """Let nothing be logged, up to this level."""
    before = logging.root.manager.disable
    logging.disable(highest)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector out: when it runs must not decide anything."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
