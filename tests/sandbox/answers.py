"""How each outcome fault answers, or fails to."""

import contextlib
import email.utils
import math
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.sandbox.exchange import Exchange
from tests.sandbox.faults import Fault
from tests.sandbox.wire import JSON_TYPE, Reply

if TYPE_CHECKING:
    from tests.sandbox.server import Sandbox

#: a wait no client should accept, about 32,000 years
HUGE_SECONDS = 10**12

#: answers one request; `reply` is what an undisturbed server would say, None means the connection is closed
Answering = Callable[["Sandbox[Any]", Exchange, Fault, Reply], Awaitable[web.StreamResponse | None]]


def plain(sandbox: "Sandbox[Any]", reply: Reply) -> web.Response:
    """Answer as the vendor does."""
    body = sandbox.encode(reply.body)
    return web.Response(status=reply.status, body=body, content_type=reply.content_type, headers=reply.headers)


async def deliver(sandbox: "Sandbox[Any]", exchange: Exchange, fault: Fault, reply: Reply) -> web.StreamResponse:
    """Answer as the fault wants."""
    exchange.ended_as(fault.kind)
    response = await sandbox.answers[fault.kind](sandbox, exchange, fault, reply)
    if response is None:
        return web.Response()  # never sent: the connection is closed
    exchange.record.status = response.status
    return response


def retry_after_headers(form: str, seconds: float, now_seconds: float | None = None) -> dict[str, str]:
    """Write Retry-After in one of its forms, the broken ones too (RFC 9110 section 10.2.3)."""
    whole, now = str(math.ceil(seconds)), time.time() if now_seconds is None else now_seconds
    forms = {
        "absent": {},
        "seconds": {"Retry-After": whole},
        "zero": {"Retry-After": "0"},
        "fraction": {"Retry-After": f"{seconds:.3f}"},
        "http_date": {"Retry-After": email.utils.formatdate(math.ceil(now + seconds), usegmt=True)},
        "past_date": {"Retry-After": email.utils.formatdate(now - 3600, usegmt=True)},
        "empty": {"Retry-After": ""},
        "garbage": {"Retry-After": "in a while"},
        "huge": {"Retry-After": str(HUGE_SECONDS)},
        "negative": {"Retry-After": "-5"},
        "ratelimit": {"RateLimit-Limit": "1", "RateLimit-Remaining": "0", "RateLimit-Reset": whole},
    }
    return forms[form]


def retry_after_of(sandbox: "Sandbox[Any]", fault: Fault) -> dict[str, str]:
    """Write the Retry-After that a fault wants, a date by the clock of the vendor's machine."""
    form, seconds = fault.options["retry_after"], fault.options["retry_after_seconds"]
    return retry_after_headers(form, seconds, sandbox.clock.read_ms() / 1000)


async def _drop(_sandbox: "Sandbox[Any]", exchange: Exchange, fault: Fault, _reply: Reply) -> None:
    exchange.hang_up(reset=fault.options["reset"])


async def _gone_already(_sandbox: "Sandbox[Any]", _exchange: Exchange, _fault: Fault, _reply: Reply) -> None:
    """Answer nothing: the server let go of the connection before the commit."""


async def _hang(_sandbox: "Sandbox[Any]", exchange: Exchange, _fault: Fault, _reply: Reply) -> None:
    await exchange.left.wait()


async def _status(sandbox: "Sandbox[Any]", _exchange: Exchange, fault: Fault, _reply: Reply) -> web.Response:
    status = fault.options["status"]
    headers = retry_after_of(sandbox, fault)
    if fault.options["body"] == "html":
        page = f"<html><title>{status}</title></html>"
        return web.Response(status=status, text=page, content_type="text/html", headers=headers)
    if fault.options["body"] == "empty":
        return web.Response(status=status, headers=headers)
    return plain(sandbox, Reply(status, sandbox.error_body(status, f"Fault with status {status}"), headers))


async def _truncated(sandbox: "Sandbox[Any]", exchange: Exchange, _fault: Fault, reply: Reply) -> web.StreamResponse:
    body = sandbox.encode(reply.body)
    response = web.StreamResponse(status=reply.status)
    response.content_type = reply.content_type
    response.content_length = len(body)
    with contextlib.suppress(ConnectionError):
        await response.prepare(exchange.request)
        await response.write(body[: len(body) // 2])
    exchange.hang_up()
    return response


async def _garbage(_sandbox: "Sandbox[Any]", _exchange: Exchange, _fault: Fault, _reply: Reply) -> web.Response:
    return web.Response(body=b"<html>It works!</html>", content_type=JSON_TYPE)


async def _redirect(_sandbox: "Sandbox[Any]", _exchange: Exchange, fault: Fault, _reply: Reply) -> web.Response:
    return web.Response(status=fault.options["status"], headers={"Location": fault.options["location"]})


#: the outcomes of faults.KINDS
ANSWERS: dict[str, Answering] = {
    "accept_then_drop": _drop,
    "drop_before": _drop,
    "late_commit": _gone_already,
    "hang": _hang,
    "status": _status,
    "truncated": _truncated,
    "garbage": _garbage,
    "redirect": _redirect,
}
