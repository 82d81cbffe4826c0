"""Celery's request and task stacks on ContextVars, so that coroutines sharing a thread do not see each other's."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any


class ContextStack:
    """Celery's LocalStack by context instead of by thread.

    The entries are tuples that are never changed in place: an asyncio task started by a job sees the job's request
    and cannot disturb it.
    """

    entries: ContextVar[tuple[Any, ...]]

    def push(self, item: object) -> None:
        self.entries.set((*self.entries.get(), item))

    def pop(self) -> Any:
        *rest, last = self.entries.get() or (None,)
        self.entries.set(tuple(rest))
        return last

    def __len__(self) -> int:
        return len(self.entries.get())

    @property
    def stack(self) -> tuple[Any, ...]:
        return self.entries.get()

    @property
    def top(self) -> Any:
        entries = self.entries.get()
        return entries[-1] if entries else None


def move_to_context(stack: Any, name: str) -> None:
    """Turn one of Celery's stacks into a ContextStack, in place.

    In place because celery/app/trace.py, app/base.py and app/task.py each hold a reference to the same object.
    """
    if not isinstance(stack, ContextStack):
        stack.entries = ContextVar(name, default=())
        stack.__class__ = ContextStack
