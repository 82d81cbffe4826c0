"""Messages that never reach a task are parked in a Redis stream, and the worker goes on.

Celery deletes them, or stops. Worse, it stops with the message restored, so that the next worker stops as well. Here
they are looked at first, in two places, because kombu fails before Celery sees anything:

* `ParkingChannel` reads from the queue: what is not JSON, or no message. It overrides the one method in which kombu
  has the raw text, and knows that the message is in no `unacked` hash yet, so that nothing has to be acked.
* `ParkingConsumer` decides what a message is for: unknown task names, bodies, headers. It acks what it parks.

The consumer mixes the channel into the transport of its own connection, whichever that is (redis, rediss, sentinel,
one of ours), so that no URL or alias has to name it and a failover keeps it. A transport whose channel has its own way
to fetch subclasses ParkingChannel and passes what it fetched to `deliver_or_park`.
"""

from __future__ import annotations

import functools
import logging
import time
from queue import Empty
from typing import TYPE_CHECKING, Any, Final

from celery.exceptions import ImproperlyConfigured
from celery.worker.consumer import Consumer
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from kombu.utils.json import loads
from redis.exceptions import ResponseError

from tasks.envelope import PARKED_STREAM
from workers.malformed import Fault, envelope_fault, is_hint, message_fault
from workers.newer import stand_in

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

#: the stream is trimmed to about this many messages, oldest first: at 64 KiB each 640 MiB at the very worst
PARKED_MESSAGES: Final = 10_000

#: more of a message than this is not kept
RAW_BYTES: Final = 64 * 1024

#: kombu's own pause between attempts to reconnect grows to 30 s; a broker that is back should be used at once
RECONNECT_SECONDS: Final = 1
#: The first, and by how much each is longer: Celery's two seconds are long beside the restart of a server.
FIRST_RECONNECT_SECONDS: Final = 0.25


class MalformedError(Exception):
    """A raw message that kombu cannot make a message of."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class ParkingMessage(virtual.Message):
    """A kombu message; MalformedError if the raw one is unusable, where kombu raises whatever comes up."""

    def __init__(self, payload: Any, channel: Any = None, **kwargs: Any) -> None:
        fault = envelope_fault(payload)
        if fault is not None:
            raise MalformedError(fault)
        try:
            super().__init__(payload, channel=channel, **kwargs)  # type: ignore[no-untyped-call]  # kombu
        except (ValueError, TypeError, AttributeError, LookupError):
            raise MalformedError(Fault.BODY_ENCODING) from None


class ParkingChannel(kombu_redis.Channel):
    """A Redis channel that parks the raw messages it cannot deliver."""

    Message = ParkingMessage

    #: the raw message that is being delivered, and the queue it came from
    _arriving: tuple[bytes, str] = (b"", "")

    def _brpop_read(self, **options: Any) -> bool:
        # kombu's own, but for the last statement of `try`, which there is
        # `self.connection._deliver(loads(bytes_to_str(item)), dest)` (kombu/transport/redis.py)
        try:
            try:
                popped = self.client.parse_response(self.client.connection, "BRPOP", **options)
            except self.connection_errors:
                self.client.connection.disconnect()
                raise
            if not popped:
                raise Empty
            key, item = popped
            queue = key.decode().rsplit(self.sep, 1)[0]
            self._queue_cycle.rotate(queue)
            self.deliver_or_park(item, queue)
        finally:
            self._in_poll = None  # type: ignore[assignment]  # kombu: a connection, None or False
            self._flush_brpop_reauth()  # type: ignore[no-untyped-call]  # kombu
        return True

    def deliver_or_park(self, item: bytes, queue: str) -> None:
        """Hand a raw message from a queue to its consumer, or park it."""
        self._arriving = (item, queue)
        try:
            try:
                raw = loads(item.decode())  # type: ignore[no-untyped-call]  # kombu
            except Exception:  # noqa: BLE001 - kombu decodes types of its own there, which may raise anything
                self.park(Fault.NOT_JSON)
                return
            try:
                self.connection._deliver(raw, queue)  # noqa: SLF001 - what kombu calls here
            except MalformedError as error:
                self.park(error.fault)
            except RecursionError:  # nested just deep enough to be read but not to be written into the unacked hash
                self.park(Fault.REFUSED)
        finally:
            self._arriving = (b"", "")

    def _deliver_fanout_message(self, message: Any, exchange: str) -> bool:
        # a broadcast: remote control
        try:
            return bool(super()._deliver_fanout_message(message, exchange))  # type: ignore[no-untyped-call]  # kombu
        except MalformedError as error:
            logger.error("ignored a broadcast: %s", error.fault.value)  # noqa: TRY400 - the traceback adds nothing
            return False

    def close(self) -> None:
        # With the server gone, kombu's close() fails in reading the last BRPOP's answer and is left half done. Celery
        # closes again when the transport is dismantled, which raises AttributeError and ends the worker (5.7.0).
        try:
            super().close()  # type: ignore[no-untyped-call]  # kombu
        except self.connection_errors:
            if self.closed:
                raise
            super().close()  # type: ignore[no-untyped-call]  # kombu

    def park(self, fault: Fault) -> None:
        """Add the message that is being delivered to the stream. The log says why, never what it holds."""
        item, queue = self._arriving
        fields = {
            "reason": fault.value,
            "raw": item[:RAW_BYTES],
            "queue": queue,
            "at": time.time_ns() // 1_000_000,
        }
        try:
            with self.conn_or_acquire() as client:
                client.xadd(PARKED_STREAM, fields, maxlen=PARKED_MESSAGES, approximate=True)
        except ResponseError as error:
            # no memory, or a key of another type: better without this message than without the queue behind it
            problem = type(error).__name__
            logger.critical("dropped a message from %s that could not be parked (%s): %s", queue, problem, fault.value)
            return
        logger.error("parked a message from %s: %s", queue, fault.value)


@functools.cache
def parking_transport(transport: type[Any]) -> type[Any]:
    """Return the kombu transport with ParkingChannel mixed into its channels."""
    if not issubclass(transport, kombu_redis.Transport):
        raise ImproperlyConfigured(
            "messages are parked in Redis: the broker must be redis://, rediss:// or sentinel://"
        )
    if issubclass(transport.Channel, ParkingChannel):
        return transport
    channel = type("ParkingChannel", (ParkingChannel, transport.Channel), {})
    return type("ParkingTransport", (transport,), {"Channel": channel})


class ParkingConsumer(Consumer):  # type: ignore[misc]  # Celery ships no types
    """Celery's consumer (setting `worker_consumer`), which parks what cannot become a task instead of deleting it."""

    def connection_for_read(self, heartbeat: float | None = None) -> Any:
        connection = self.app.connection_for_read(heartbeat=heartbeat)
        stock_transport, stock_ensure = connection.get_transport_cls, connection.ensure_connection
        # on the instance, where a failover to another URL leaves them
        connection.get_transport_cls = lambda: parking_transport(stock_transport())
        connection.ensure_connection = functools.partial(
            stock_ensure,
            interval_start=FIRST_RECONNECT_SECONDS,
            interval_step=FIRST_RECONNECT_SECONDS,
            interval_max=RECONNECT_SECONDS,
        )
        return self.ensure_connected(connection)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        super().on_connection_error_before_connected(exc)
        # kombu's pauses are for a server that is away; one that only refuses writes would be asked hundreds of times
        time.sleep(RECONNECT_SECONDS)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        handle = super().create_task_handler(*args, **kwargs)
        passed_on = (*self.connection_errors, *self.channel_errors)

        def on_task_received(message: Any) -> None:
            fault = message_fault(message, self.strategies)
            if fault is Fault.UNKNOWN_TASK and is_hint(message):
                message.headers["task"] = stand_in(message.delivery_info["routing_key"])
                fault = message_fault(message, self.strategies)
            if fault is not None:
                self._park(message, fault)
                return
            try:
                handle(message)
            except KeyError:  # to kombu a lost connection, but nothing in here reads from one
                self._park(message, Fault.REFUSED)
            except passed_on:
                raise
            except Exception as error:  # noqa: BLE001 - one bad message must not stop a queue
                logger.error("a message was refused with %s", type(error).__name__)  # noqa: TRY400 - a traceback tells what it holds
                self._park(message, Fault.REFUSED)

        return on_task_received

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        # kombu calls this for a body that does not decompress
        del exc
        self._park(message, Fault.BODY)

    def on_invalid_task(self, body: object, message: Any, exc: Exception) -> None:
        del body, exc
        self._park(message, Fault.REFUSED)

    def _park(self, message: Any, fault: Fault) -> None:
        message.channel.park(fault)
        if not message.acknowledged:
            message.ack_log_error(logger, self.connection_errors)
