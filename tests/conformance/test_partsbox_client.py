"""The PartsBox adapter over real HTTP and within real limits: every port method, and every fault of the vendor."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from tasks.commands import Currency
from tasks.errors import InDoubtError, RejectedError, RetryableError, VendorBlockedError, VendorError
from tasks.identity import marker_of
from tasks.orders import ReceiveLine
from tasks.stock import AddStock, CorrectStock, MoveStock, RemoveStock
from tests.sandbox.partsbox import API_KEY, API_USER, PartsBoxSandbox
from tests.scripted_vendor import raw_server
from workers.limiter import Limiter, LimitPolicy, Rate
from workers.vendors.base import Endpoint, open_session
from workers.vendors.partsbox import PartsBox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    import aiohttp
    from redis.asyncio import Redis

    from tasks.commands import Command

SETTLE_SECONDS = 60.0
#: A request that the sandbox answers takes a tenth of this.
PATIENT_SECONDS = 10.0
_moments = itertools.count(1_775_698_680_000)


class Permission:
    """The sender's side of a write."""

    def __init__(self, command: Command) -> None:
        self.key = command.key()

    def may_leave(self) -> bool:
        return True

    def ahead(self, grant: object) -> None: ...

    async def permitted(self) -> None:
        pass


@dataclass
class Setting:
    """A sandbox with a part in a box, and the adapter that talks to it within real limits."""

    sandbox: PartsBoxSandbox
    limiter: Limiter
    session: aiohttp.ClientSession
    part: str = field(init=False)
    box: str = field(init=False)
    shelf: str = field(init=False)

    def __post_init__(self) -> None:
        load = self.sandbox.load
        self.part, self.box, self.shelf = load.part("R-10K"), load.storage("box"), load.storage("shelf")
        load.stock(self.part, self.box, 100)

    def vendor(self, *, key: str = API_KEY, url: str = "", timeout_seconds: float = PATIENT_SECONDS) -> PartsBox:
        secret = PartsBox.secret_headers(SecretStr(key))
        endpoint = Endpoint(url or self.sandbox.url, secret, timeout_seconds, SETTLE_SECONDS)
        return PartsBox(self.session, self.limiter, endpoint)

    def addition(self, quantity: int = 5) -> AddStock:
        return AddStock(
            stock_timestamp=next(_moments), part_id=self.part, storage_id=self.box, quantity=quantity, comments="van"
        )

    async def slots(self) -> tuple[int, int]:
        found = await self.limiter.snapshot()
        return found.in_flight, found.ghosts


@pytest.fixture
async def setting(redis_client: Redis) -> AsyncIterator[Setting]:
    limiter = Limiter(redis_client, "partsbox", LimitPolicy((Rate(1000, 1.0, burst=1000),), 4, 120.0))
    async with (
        PartsBoxSandbox.running(read_latency_seconds=(0.0, 0.0), write_latency_seconds=(0.01, 0.02)) as sandbox,
        open_session() as session,
    ):
        yield Setting(sandbox, limiter, session)
        await limiter.aclose()


async def outcome(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except VendorError as error:
        return error


# the port


async def test_an_addition_lands_with_its_marker_price_and_place(setting: Setting) -> None:
    vendor, price = setting.vendor(), Decimal("0.0628")
    command = setting.addition().model_copy(update={"price": price, "currency": Currency.EUR})

    exchange = await vendor.add_stock(command, Permission(command))
    before, entry = await vendor.stock_entries(setting.part)

    assert (before.quantity, before.storage_id) == (100, setting.box)
    assert (entry.part_id, entry.storage_id, entry.quantity) == (setting.part, setting.box, 5)
    assert entry.comments == f"van {marker_of(command.key())}"
    assert (entry.price, entry.currency, entry.status, entry.user) == (price, "eur", None, API_USER)
    assert (exchange.operation, exchange.status) == ("stock/add", 200)
    assert await setting.slots() == (0, 0)


async def test_a_removal_and_a_move_land_where_they_should(setting: Setting) -> None:
    vendor = setting.vendor()
    removal = RemoveStock(stock_timestamp=next(_moments), part_id=setting.part, storage_id=setting.box, quantity=30)
    move = MoveStock(
        stock_timestamp=next(_moments),
        part_id=setting.part,
        from_storage_id=setting.box,
        to_storage_id=setting.shelf,
        quantity=20,
    )

    await vendor.remove_stock(removal, Permission(removal))
    await vendor.move_stock(move, Permission(move))
    _, taken, out, into = await vendor.stock_entries(setting.part)

    assert (taken.quantity, taken.storage_id, taken.comments) == (-30, setting.box, marker_of(removal.key()))
    assert [(leg.quantity, leg.storage_id) for leg in (out, into)] == [(-20, setting.box), (20, setting.shelf)]
    assert out.comments == into.comments == marker_of(move.key())
    assert out.timestamp_ms < into.timestamp_ms


async def test_a_correction_changes_the_entry_it_names(setting: Setting) -> None:
    vendor = setting.vendor()
    (entry,) = await vendor.stock_entries(setting.part)
    command = CorrectStock(
        stock_timestamp=next(_moments), part_id=setting.part, entry_timestamp=entry.timestamp_ms, quantity=90
    )

    await vendor.correct_stock(command, Permission(command))

    (corrected,) = await vendor.stock_entries(setting.part)
    assert (corrected.quantity, corrected.timestamp_ms) == (90, entry.timestamp_ms)
    assert "cmd:" not in corrected.comments


async def test_a_line_is_received_in_part_and_then_whole(setting: Setting) -> None:
    vendor = setting.vendor()
    order_id, (line_id,) = setting.sandbox.load.order("SO-9", [{"part_id": setting.part, "quantity": 10}])

    def receipt(quantity: int) -> ReceiveLine:
        return ReceiveLine(
            stock_timestamp=next(_moments),
            order_id=order_id,
            stock_id=line_id,
            part_id=setting.part,
            storage_id=setting.shelf,
            quantity=quantity,
        )

    first, second = receipt(4), receipt(6)
    opened = await vendor.order(order_id)
    await vendor.receive_line(first, Permission(first))
    half = await vendor.order(order_id)
    await vendor.receive_line(second, Permission(second))
    done = await vendor.order(order_id)

    assert [(order.status, [line.quantity for line in order.open_lines]) for order in (opened, half, done)] == [
        ("ordered", [10]),
        ("ordered", [6]),
        ("received", []),
    ]
    assert opened.open_lines[0].stock_id == line_id
    here = [entry for entry in await vendor.stock_entries(setting.part) if entry.storage_id == setting.shelf]
    assert [(entry.quantity, entry.comments) for entry in here if entry.status is None] == [
        (4, marker_of(first.key())),
        (6, marker_of(second.key())),
    ]


# refusals and faults


async def test_what_the_vendor_refuses_is_rejected_with_a_code(setting: Setting) -> None:
    vendor = setting.vendor()
    too_much = RemoveStock(stock_timestamp=next(_moments), part_id=setting.part, storage_id=setting.box, quantity=101)
    no_part = setting.addition().model_copy(update={"part_id": "0" * 26})
    setting.sandbox.load.user("reader", "partsboxapi_reader", denied=("stock/add",))

    refused = [
        await outcome(vendor.remove_stock(too_much, Permission(too_much))),
        await outcome(vendor.add_stock(no_part, Permission(no_part))),
        await outcome(vendor.stock_entries("0" * 26)),
        await outcome(setting.vendor(key="partsboxapi_reader").add_stock(setting.addition(), Permission(no_part))),
    ]

    assert [(type(error), error.code) for error in refused] == [
        (RejectedError, "conflict"),
        (RejectedError, "not-found"),
        (RejectedError, "not-found"),
        (RejectedError, "forbidden"),
    ]
    assert await setting.slots() == (0, 0)


async def test_a_wrong_key_closes_the_vendor_and_is_in_no_evidence(setting: Setting) -> None:
    error = await outcome(setting.vendor(key="partsboxapi_wrong").stock_entries(setting.part))

    assert type(error) is VendorBlockedError
    assert not error.throttled
    assert "partsboxapi_wrong" not in repr(error) + repr(error.exchange)


FAULTS: list[tuple[str, dict[str, Any], type[VendorError]]] = [
    ("accept_then_drop", {}, InDoubtError),
    ("accept_then_drop", {"reset": True}, InDoubtError),
    ("drop_before", {}, InDoubtError),
    ("drop_before", {"reset": True}, InDoubtError),
    ("hang", {"commit": True}, InDoubtError),
    ("hang", {"commit": False}, InDoubtError),
    ("late_commit", {"delay_seconds": 0.05}, InDoubtError),
    ("truncated", {}, InDoubtError),
    ("missing_category", {}, InDoubtError),
    ("garbage", {}, InDoubtError),
    *(("status", {"status": code, "commit": True}, InDoubtError) for code in (500, 502, 503, 504, 408)),
    ("status", {"status": 500, "commit": False, "body": "html"}, InDoubtError),
    *(("status", {"status": code}, RejectedError) for code in (400, 403, 404, 409, 422)),
    *(("status", {"status": code, "body": "empty"}, VendorBlockedError) for code in (401, 402, 429)),
    ("redirect", {"status": 301}, VendorBlockedError),
    ("redirect", {"status": 307}, VendorBlockedError),
    ("error_category", {"category": "conflict"}, RejectedError),
    ("error_category", {"category": "status/fault"}, InDoubtError),
]


@pytest.mark.parametrize(("kind", "options", "expected"), FAULTS)
async def test_a_fault_under_a_write(
    setting: Setting, kind: str, options: dict[str, Any], expected: type[VendorError]
) -> None:
    setting.sandbox.faults.add(kind, "stock/add", **options)
    command = setting.addition()

    vendor = setting.vendor(timeout_seconds=0.9 if kind == "hang" else PATIENT_SECONDS)
    error = await outcome(vendor.add_stock(command, Permission(command)))

    assert type(error) is expected
    assert error.exchange is not None
    assert error.exchange.request["stock/quantity"] == 5
    assert await setting.slots() == (0, int(expected is InDoubtError))
    assert [record.operation for record in setting.sandbox.journal.requests] == ["stock/add"]


@pytest.mark.parametrize(("kind", "options", "expected"), FAULTS)
async def test_a_fault_under_a_read(
    setting: Setting, kind: str, options: dict[str, Any], expected: type[VendorError]
) -> None:
    setting.sandbox.faults.add(kind, "part/get", **options)

    vendor = setting.vendor(timeout_seconds=0.9 if kind == "hang" else PATIENT_SECONDS)
    error = await outcome(vendor.stock_entries(setting.part))

    closed = options.get("status") == 503
    assert type(error) is (VendorBlockedError if closed else RetryableError if expected is InDoubtError else expected)
    assert error.exchange is not None
    cut = error.exchange.answer is None or error.exchange.status == 504
    assert await setting.slots() == (0, int(cut))
    assert [record.operation for record in setting.sandbox.journal.requests] == ["part/get"]


@pytest.mark.parametrize(
    ("form", "usable"),
    [
        *((form, True) for form in ("seconds", "zero", "fraction", "http_date")),
        *((form, False) for form in ("absent", "past_date", "empty", "garbage", "huge", "negative", "ratelimit")),
    ],
)
async def test_every_form_of_retry_after_is_understood_or_ignored(setting: Setting, form: str, *, usable: bool) -> None:
    setting.sandbox.faults.add("status", "stock/add", status=429, retry_after=form)
    command = setting.addition()

    error = await outcome(setting.vendor().add_stock(command, Permission(command)))

    assert type(error) is VendorBlockedError
    assert error.throttled
    assert (error.retry_after_seconds is not None) is usable


async def test_a_cancelled_write_keeps_its_slot_while_the_vendor_goes_on(setting: Setting) -> None:
    setting.sandbox.faults.add("gate", "stock/add", gate="g", place="before_commit")
    command = setting.addition()
    running = asyncio.create_task(setting.vendor().add_stock(command, Permission(command)))
    await setting.sandbox.journal.until_requests(1, "stock/add")

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert await setting.slots() == (0, 1)


async def test_nobody_listening_means_nothing_was_sent(setting: Setting) -> None:
    async with raw_server(b"") as (url, _):
        pass  # free again, and closed
    command = setting.addition()

    error = await outcome(setting.vendor(url=url).add_stock(command, Permission(command)))

    assert type(error) is RetryableError
    assert await setting.slots() == (0, 0)
