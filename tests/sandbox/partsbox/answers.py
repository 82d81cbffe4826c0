"""How each outcome fault answers, or fails to."""

import contextlib
import email.utils
import math
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from tests.sandbox.partsbox.exchange import Exchange
from tests.sandbox.partsbox.faults import Fault
from tests.sandbox.partsbox.wire import CATEGORY, MESSAGE, Reply, encode

JSON_TYPE = "application/json"

#: a wait no client should accept, about 32,000 years
HUGE_SECONDS = 10**12


def plain(reply: Reply, headers: dict[str, str] | None = None) -> web.Response:
    """Answer as the vendor does."""
    return web.Response(status=reply.status, body=encode(reply.body), content_type=JSON_TYPE, headers=headers)


async def deliver(exchange: Exchange, fault: Fault, reply: Reply) -> web.StreamResponse:
    """Answer as the fault wants; `reply` is what an undisturbed server would say."""
    exchange.ended_as(fault.kind)
    response = await ANSWERS[fault.kind](exchange, fault, reply)
    if response is None:
        return web.Response()  # never sent: the connection is closed
    exchange.record.status = response.status
    return response


def retry_after_headers(form: str, seconds: float) -> dict[str, str]:
    """Write Retry-After in one of its forms, the broken ones too (RFC 9110 section 10.2.3)."""
    whole = str(math.ceil(seconds))
    forms = {
        "absent": {},
        "seconds": {"Retry-After": whole},
        "zero": {"Retry-After": "0"},
        "fraction": {"Retry-After": f"{seconds:.3f}"},
        "http_date": {"Retry-After": email.utils.formatdate(math.ceil(time.time() + seconds), usegmt=True)},
        "past_date": {"Retry-After": email.utils.formatdate(time.time() - 3600, usegmt=True)},
        "empty": {"Retry-After": ""},
        "garbage": {"Retry-After": "in a while"},
        "huge": {"Retry-After": str(HUGE_SECONDS)},
        "negative": {"Retry-After": "-5"},
        "ratelimit": {"RateLimit-Limit": "1", "RateLimit-Remaining": "0", "RateLimit-Reset": whole},
    }
    return forms[form]


async def _drop(exchange: Exchange, fault: Fault, _reply: Reply) -> None:
    exchange.hang_up(reset=fault.options["reset"])


async def _gone_already(_exchange: Exchange, _fault: Fault, _reply: Reply) -> None:
    """Answer nothing: the server let go of the connection before the commit."""


async def _hang(exchange: Exchange, _fault: Fault, _reply: Reply) -> None:
    await exchange.left.wait()


async def _status(_exchange: Exchange, fault: Fault, _reply: Reply) -> web.Response:
    status = fault.options["status"]
    headers = retry_after_headers(fault.options["retry_after"], fault.options["retry_after_seconds"])
    if fault.options["body"] == "html":
        page = f"<html><title>{status}</title></html>"
        return web.Response(status=status, text=page, content_type="text/html", headers=headers)
    if fault.options["body"] == "empty":
        return web.Response(status=status, headers=headers)
    return plain(Reply(status, {CATEGORY: "error", MESSAGE: f"Fault with status {status}"}), headers)


async def _truncated(exchange: Exchange, _fault: Fault, reply: Reply) -> web.StreamResponse:
    body = encode(reply.body)
    response = web.StreamResponse(status=reply.status)
    response.content_type = JSON_TYPE
    response.content_length = len(body)
    with contextlib.suppress(ConnectionError):
        await response.prepare(exchange.request)
        await response.write(body[: len(body) // 2])
    exchange.hang_up()
    return response


async def _error_category(_exchange: Exchange, fault: Fault, _reply: Reply) -> web.Response:
    return plain(Reply(200, {CATEGORY: fault.options["category"], MESSAGE: "Fault with an error category"}))


async def _missing_category(_exchange: Exchange, _fault: Fault, reply: Reply) -> web.Response:
    return plain(Reply(200, {name: value for name, value in reply.body.items() if name != CATEGORY}))


async def _garbage(_exchange: Exchange, _fault: Fault, _reply: Reply) -> web.Response:
    return web.Response(body=b"<html>It works!</html>", content_type=JSON_TYPE)


async def _redirect(_exchange: Exchange, fault: Fault, _reply: Reply) -> web.Response:
    return web.Response(status=fault.options["status"], headers={"Location": fault.options["location"]})


ANSWERS: dict[str, Callable[[Exchange, Fault, Reply], Awaitable[web.StreamResponse | None]]] = {
    "accept_then_drop": _drop,
    "drop_before": _drop,
    "late_commit": _gone_already,
    "hang": _hang,
    "status": _status,
    "truncated": _truncated,
    "error_category": _error_category,
    "missing_category": _missing_category,
    "garbage": _garbage,
    "redirect": _redirect,
}
