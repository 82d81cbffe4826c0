"""Acks that are collected, and sent to Redis once in a turn of the event loop instead of one by one."""

from __future__ import annotations

from collections import deque
from typing import Any

from kombu.transport import redis as kombu_redis
from kombu.transport import virtual


class Acks:
    """The delivery tags that Redis shall forget, and what else one connection leaves to the next.

    An ack only names a tag, so it may go out over any connection: that of a task which ended while Redis was away, or
    after a new connection was made, is not lost. Every method is safe in any thread, and in a signal handler.
    """

    def __init__(self) -> None:
        self._tags: deque[str] = deque()
        #: the moments of calls whose answer was lost: Redis may have registered messages that nobody got
        self.lost_takes: deque[str] = deque()

    def __len__(self) -> int:
        return len(self._tags)

    def add(self, *tags: str) -> None:
        """Note tags, to be sent with the others."""
        self._tags.extend(tags)

    def take(self) -> list[str]:
        """Remove and return all tags; `add` those that could not be sent."""
        return [self._tags.popleft() for _ in range(len(self._tags))]


class CollectingQoS(kombu_redis.QoS):
    """What a channel has delivered and was not acked yet. Acks count here at once, in Redis when they are flushed."""

    #: whether the message that is being delivered is in `unacked` already
    registered = False

    def hold(self, delivery_tag: str) -> None:
        """Count a registered message that will be delivered: if it is not, it is restored when the channel closes."""
        virtual.QoS.append(self, None, delivery_tag)  # type: ignore[no-untyped-call]  # kombu

    def release(self, delivery_tag: str) -> None:
        """Ack a message that was held, unless it was delivered to somebody who will: parked, or read without acks."""
        if self._delivered.get(delivery_tag) is None:
            self.ack(delivery_tag)

    def append(self, message: Any, delivery_tag: str) -> None:
        if self.registered:
            virtual.QoS.append(self, message, delivery_tag)  # type: ignore[no-untyped-call]  # kombu
        else:
            super().append(message, delivery_tag)  # type: ignore[no-untyped-call]  # kombu

    def ack(self, delivery_tag: str) -> None:
        virtual.QoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call]  # kombu
        self.channel.acks.add(delivery_tag)
        if not self.channel.closed and not self.channel.active_queues:
            self.channel.flush_acks()  # the worker stops: no turn of the loop will come to do it

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002  # kombu's signature
        if not requeue:
            self.ack(delivery_tag)
        elif self.channel.closed:  # which restored it, or could not, and then the visibility timeout will
            virtual.QoS.ack(self, delivery_tag)  # type: ignore[no-untyped-call]  # kombu
        else:
            super().reject(delivery_tag, requeue=True)  # type: ignore[no-untyped-call]  # kombu
