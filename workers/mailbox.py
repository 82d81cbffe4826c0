"""Hand-over between two threads: many items, one wake-up."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """A queue that wakes its reader once for however many items arrive before it looks.

    Any thread, and a signal handler on top of one, may put. One thread empties. There is no lock: the order of the
    two lines of each method makes sure that an item is either seen by the emptying under way or wakes the next one.
    """

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._items: deque[Item] = deque()
        self._woken = False

    def put(self, item: Item) -> None:
        """Add an item and wake the reader, unless a wake-up is already on its way."""
        self._items.append(item)
        if not self._woken:
            self._woken = True
            self._wake()

    def empty(self) -> Iterator[Item]:
        """Yield and remove the items, oldest first, those put meanwhile included."""
        self._woken = False
        while self._items:
            yield self._items.popleft()
