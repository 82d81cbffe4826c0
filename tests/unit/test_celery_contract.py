"""Every inside of Celery and kombu that the worker pool and the parking rely on, each with what breaks if it goes.

When one of these fails after an upgrade, the module it names has to be compared with the new Celery or kombu.
"""

from __future__ import annotations

import hashlib
import inspect
import socket
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import celery.app.base
import celery.app.task
import celery.app.trace
import kombu.asynchronous
import kombu.connection
import pytest
from celery import Celery, _state, signals
from celery.app.trace import fast_trace_task, trace_ok_t
from celery.concurrency.base import BasePool
from celery.exceptions import Ignore, Reject, Retry, WorkerShutdown, WorkerTerminate
from celery.utils import log as celery_log
from celery.utils.threads import LocalStack
from celery.worker import components, state
from celery.worker.consumer import Consumer
from celery.worker.request import Request, create_request_cls
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from workers.parking import ParkingChannel, ParkingConsumer, parking_transport
from workers.pool_context import ContextStack, move_to_context
from workers.pool_job import Outcome
from workers.pool_replay import Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


#: kombu's classes have no usable types
make_hub: Callable[[], Any] = kombu.asynchronous.Hub
connect: Callable[[str], Any] = kombu.connection.Connection


@pytest.fixture
def app() -> Iterator[Celery]:
    app = Celery("contract", broker="memory://", set_as_current=False)
    app.conf.task_ignore_result = True
    yield app
    app.close()


def register(app: Celery, function: Callable[..., Any], **options: Any) -> Any:
    app.task(name=function.__name__, shared=False, **options)(function)
    return app.tasks[function.__name__]


# -- celery's stacks (workers/pool_context.py)


def test_celery_shares_one_task_stack_by_reference() -> None:
    stack = _state._task_stack
    assert celery.app.trace._task_stack is stack
    assert celery.app.base._task_stack is stack
    assert celery.app.task._task_stack is stack


def test_a_celery_stack_can_become_a_context_stack_in_place() -> None:
    public = {name for name in dir(LocalStack) if not name.startswith("_")}
    assert public <= set(dir(ContextStack)), "Celery's LocalStack has a method that ContextStack lacks"

    stack: Any = LocalStack()
    move_to_context(stack, "test")
    assert (stack.top, stack.pop(), len(stack)) == (None, None, 0)
    stack.push("a")
    stack.push("b")
    assert (stack.top, len(stack), list(stack.stack)) == ("b", 2, ["a", "b"])
    assert (stack.pop(), stack.pop(), stack.pop()) == ("b", "a", None)


def test_a_task_finds_its_request_on_its_request_stack(app: Celery) -> None:
    task = register(app, plain_task)
    move_to_context(task.request_stack, "test")
    task.request_stack.push(SimpleNamespace(id="x"))
    assert task.request.id == "x"


# -- celery's tracer (workers/pool_replay.py)

TRACED = [
    ("returns", "value", None),
    ("fails", None, ValueError("no")),
    ("is ignored", None, Ignore()),
    ("is rejected", None, Reject("no", requeue=False)),
    ("asks for a retry", None, Retry("later", when=1)),
]


@pytest.mark.parametrize(("_case", "value", "error"), TRACED, ids=[case for case, _, _ in TRACED])
def test_a_replayed_coroutine_is_traced_like_a_plain_function(
    app: Celery, _case: str, value: object, error: Exception | None
) -> None:
    def plain() -> object:
        if error is not None:
            raise error
        return value

    async def coroutine() -> object:
        return plain()

    task = register(app, plain)
    task.__trace__ = celery.app.trace.build_tracer("plain", task, app=app)
    replay = Replay(app, register(app, coroutine), "host")

    replayed = replay.record(request(), Outcome(value, error, 10.0, 12.5))
    traced = fast_trace_task("plain", "1", request(), ((), {}, {}), None, None, _loc=[app.tasks, None, "host"])

    assert (replayed[0], shown(replayed[1])) == (traced[0], shown(traced[1]))
    if error is None:
        assert replayed[2] == 2.5, "the tracer no longer reads the clock once at the start and once at the end"


def request() -> dict[str, Any]:
    return {"id": "1", "args": (), "kwargs": {}, "is_eager": False, "delivery_info": {}}


def shown(result: Any) -> str:
    """Return a result, or the exception within Celery's wrappers, as text."""
    exception = getattr(result, "exception", None)
    return repr(getattr(exception, "exc", exception) or result)


def test_the_tracer_returns_value_info_runtime_and_text() -> None:
    assert trace_ok_t._fields == ("retval", "info", "runtime", "retstr")


def test_signals_of_a_replayed_task_name_the_registered_task_and_its_request(app: Celery) -> None:
    seen: list[tuple[object, str]] = []

    def on_success(sender: Any, **_: Any) -> None:
        seen.append((sender, sender.request.id))

    task = register(app, coroutine_task)
    signals.task_success.connect(on_success, sender=task)
    try:
        Replay(app, task, "host").record(request(), Outcome(None, None, 0.0, 0.0))
    finally:
        signals.task_success.disconnect(on_success, sender=task)
    assert seen == [(task, "1")]


async def test_a_coroutine_task_can_still_be_awaited_by_another(app: Celery) -> None:
    task = register(app, coroutine_task)
    Replay(app, task, "host")
    assert await task.run() == "awaited"


async def coroutine_task() -> str:
    return "awaited"


def plain_task() -> None: ...


# -- what Celery asks of a pool (workers/pool.py)


def test_a_request_goes_to_the_pool_with_these_arguments(app: Celery) -> None:
    applied: dict[str, Any] = {}

    class Pool(BasePool):  # type: ignore[misc]  # Celery ships no types
        def on_apply(self, *positional: Any, **options: Any) -> None:
            applied.update(options, args=positional[1])

    task = register(app, plain_task, soft_time_limit=3, time_limit=4)
    pool = Pool(1, app=app)
    message = SimpleNamespace(
        headers={"id": "1", "task": "plain_task", "timelimit": [None, None]},
        body=b"[[], {}, {}]",
        payload=[[], {}, {}],
        content_type="application/json",
        content_encoding="utf-8",
        delivery_info={},
        properties={},
    )
    request_class = create_request_cls(Request, task, pool, "host", None, app=app)
    request = request_class(message, app=app, task=task, hostname="host")
    request.execute_using_pool(pool)

    assert applied["args"] == ("plain_task", "1", request.request_dict, b"[[], {}, {}]", "application/json", "utf-8")
    assert (applied["soft_timeout"], applied["timeout"]) == (3, 4)
    assert applied["accept_callback"] == request.on_accepted
    assert applied["timeout_callback"] == request.on_timeout
    assert applied["callback"] == request.on_success
    assert applied["error_callback"] == request.on_failure


def test_a_pool_is_told_its_host_name_its_limits_and_whether_there_is_a_hub(app: Celery) -> None:
    made: list[Any] = []

    class Pool(BasePool):  # type: ignore[misc]  # Celery ships no types
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            made.append(self)

    worker = SimpleNamespace(
        app=app,
        hostname="host",
        concurrency=7,
        autoscale=None,
        use_eventloop=True,
        pool_cls=Pool,
        pool_putlocks=True,
        pool_restarts=False,
        max_tasks_per_child=None,
        max_memory_per_child=None,
        time_limit=4,
        soft_time_limit=3,
        worker_lost_wait=10,
        pool_start_method="fork",
        optimization=None,
        _process_task=None,
    )
    step = components.Pool(worker)
    step.create(worker)
    [pool] = made
    options = pool.options
    assert (pool.limit, options["initargs"], options["timeout"], options["soft_timeout"]) == (7, (app, "host"), 4, 3)
    assert options["threads"] is False, "the option that says there is no hub has changed its meaning"


def test_celery_says_when_it_is_in_a_signal_handler() -> None:
    assert celery_log._in_sighandler is False
    with celery_log.in_sighandler():
        assert celery_log._in_sighandler is True
    assert celery_log._in_sighandler is False


@pytest.mark.parametrize(("flag", "error"), [("should_stop", WorkerShutdown), ("should_terminate", WorkerTerminate)])
def test_the_workers_stop_flags_end_it_with_their_exit_code(
    flag: str, error: type[SystemExit], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, flag, 3)
    with pytest.raises(error) as raised:
        state.maybe_shutdown()
    assert raised.value.code == 3


# -- kombu's hub (workers/pool.py)


def test_what_a_hub_reader_calls_soon_runs_before_the_hub_polls_again() -> None:
    hub = make_hub()
    ours, other = socket.socketpair()
    ran: list[str] = []
    try:
        hub.add_reader(ours.fileno(), lambda: hub.call_soon(ran.append, "acked"))
        other.send(b"\0")
        turns = hub.create_loop()
        next(turns)
        assert ran == []
        hub.timer.call_after(0, ran.append, ("polled",))  # timers run between the callbacks and the poll
        next(turns)
        assert ran == ["acked", "polled"]
    finally:
        hub.close()
        ours.close()
        other.close()


def test_a_hub_that_is_reset_forgets_its_readers_and_hands_out_its_callbacks() -> None:
    hub = make_hub()
    ours, other = socket.socketpair()
    try:
        hub.add_reader(ours.fileno(), print)
        hub.reset()
        assert not hub.readers, "the pool registers again after a reset; it may no longer have to"
        hub.call_soon(print, "x")
        assert len(hub._pop_ready()) == 1
        assert not hub._pop_ready()
    finally:
        hub.close()
        ours.close()
        other.close()


# -- kombu's Redis transport (workers/parking.py)


def source_hash(function: Any) -> str:
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:16]


def test_kombus_brpop_read_is_the_one_that_parking_copied() -> None:
    assert source_hash(kombu_redis.Channel._brpop_read) == "c42518699709f2df", (
        "kombu changed Channel._brpop_read: compare ParkingChannel._brpop_read in workers/parking.py with it"
    )


def test_kombus_message_is_made_where_parking_looks_for_what_is_wrong_with_it() -> None:
    assert source_hash(virtual.Message.__init__) == "c90d08ccfa2e3e9a", (
        "kombu changed virtual.Message: compare envelope_fault in workers/malformed.py with what it reads"
    )
    assert source_hash(kombu_redis.QoS.append) == "35c655f6ecc62fe6", (
        "kombu changed QoS.append: compare envelope_fault in workers/malformed.py with what it reads"
    )


def test_parking_is_mixed_into_every_redis_transport() -> None:
    for stock in (kombu_redis.Transport, kombu_redis.SentinelTransport):
        transport = parking_transport(stock)
        assert issubclass(transport, stock)
        assert issubclass(transport.Channel, (ParkingChannel, stock.Channel))
        assert transport.Channel.__mro__.index(ParkingChannel) < transport.Channel.__mro__.index(stock.Channel)
        assert transport.Channel.Message is ParkingChannel.Message


def test_a_transport_whose_channel_parks_by_itself_is_left_alone() -> None:
    class Own(kombu_redis.Transport):
        Channel = ParkingChannel

    assert parking_transport(Own) is Own


def test_parking_survives_a_failover_to_another_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ParkingConsumer, "ensure_connected", lambda _, connection: connection)
    consumer = object.__new__(ParkingConsumer)
    connection = connect("sentinel://127.0.0.1:1;sentinel://127.0.0.1:2")
    consumer.app = SimpleNamespace(connection_for_read=lambda **_: connection)
    assert consumer.connection_for_read() is connection
    connection.maybe_switch_next()
    assert connection.port == 2
    assert isinstance(connection.create_transport().Channel, type)
    assert issubclass(connection.create_transport().Channel, ParkingChannel)


def test_kombus_pause_between_connection_attempts_can_be_capped() -> None:
    assert "interval_max" in inspect.signature(kombu.connection.Connection._ensure_connection).parameters
    assert "conn.ensure_connection(" in inspect.getsource(Consumer.ensure_connected)


def test_a_key_error_is_a_lost_connection_to_kombu() -> None:
    # why ParkingConsumer looks at KeyError before it looks at connection errors
    assert KeyError in kombu_redis.Transport.connection_errors


class HalfClosed(kombu_redis.Channel):
    """A channel whose server is gone while it waits for the answer of a BRPOP."""

    def __init__(self) -> None:
        self._in_poll = True
        self.connection_errors = (RedisConnectionError,)
        self.ResponseError = ResponseError
        self.connection = SimpleNamespace(cycle=SimpleNamespace(discard=lambda _: None), close_channel=lambda _: None)
        self._consumers = set()
        self._cycle = self._qos = None
        self._sentinel_manager = self._async_sentinel_manager = None
        self.closed = False

    def _brpop_read(self, **_: Any) -> bool:
        self._in_poll = False
        raise RedisConnectionError


class HalfClosedAndParking(ParkingChannel, HalfClosed):
    _brpop_read = HalfClosed._brpop_read


def test_kombu_leaves_a_channel_half_closed_when_the_server_is_gone() -> None:
    channel: Any = HalfClosed()
    with suppress(RedisConnectionError):
        channel.close()
    assert not channel.closed, "kombu closes now: ParkingChannel.close in workers/parking.py can go"


def test_parking_closes_a_channel_whose_server_is_gone() -> None:
    channel: Any = HalfClosedAndParking()
    channel.close()
    assert channel.closed
