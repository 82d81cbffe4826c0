"""The control API under /_sandbox/, for tests that run the vendor as a process; no key needed."""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.sandbox.limits import REPORTED_WINDOWS_SECONDS
from tests.sandbox.wire import RefusedError

if TYPE_CHECKING:
    from tests.sandbox.server import Sandbox

CONTROL_PATH = "/_sandbox"

#: how long a waiting call waits when it does not say
DEFAULT_WAIT_SECONDS = 10.0

Call = Callable[["Sandbox[Any]", web.Request], Awaitable[Any]]


def control_routes(sandbox: "Sandbox[Any]") -> list[web.RouteDef]:
    """Give the routes of the control API for one sandbox, the vendor's own calls included."""
    calls = {where: functools.partial(call, sandbox) for where, call in CALLS.items()} | sandbox.control_calls()
    return [
        web.route(method, CONTROL_PATH + path, functools.partial(_answer, call))
        for (method, path), call in calls.items()
    ]


async def _answer(call: Callable[[web.Request], Awaitable[Any]], request: web.Request) -> web.Response:
    """Answer JSON: 400 for what a test got wrong, 409 for what the vendor refuses, 504 for a wait in vain."""
    try:
        return web.json_response(await call(request))
    except RefusedError as error:
        return web.json_response({"error": str(error), "problem": error.problem}, status=409)
    except TimeoutError:
        return web.json_response({"error": "did not happen in time"}, status=504)
    except (ValueError, KeyError, TypeError) as error:
        return web.json_response({"error": repr(error)}, status=400)


async def _journal(sandbox: "Sandbox[Any]", request: web.Request) -> Any:
    """Both books; `?effects=N` or `?requests=N` waits for so many."""
    if effects := _number(request, "effects"):
        await sandbox.journal.until_effects(effects, _wait_seconds(request))
    if requests := _number(request, "requests"):
        operation = request.query.get("operation")
        await sandbox.journal.until_requests(requests, operation, _wait_seconds(request))
    return sandbox.journal.describe()


async def _state(sandbox: "Sandbox[Any]", _request: web.Request) -> Any:
    return sandbox.describe_state()


async def _limits(sandbox: "Sandbox[Any]", request: web.Request) -> Any:
    """The books of the limits; `?window=SECONDS`, repeatable, asks for other windows."""
    windows = tuple(float(window) for window in request.query.getall("window", []))
    return sandbox.limits.describe(windows or REPORTED_WINDOWS_SECONDS)


async def _in_flight(sandbox: "Sandbox[Any]", request: web.Request) -> Any:
    """Requests in flight; `?quiet=1` waits until there is none."""
    if _number(request, "quiet"):
        await sandbox.until_quiet(_wait_seconds(request))
    return [exchange.describe() for exchange in sandbox.in_flight]


async def _fixture(sandbox: "Sandbox[Any]", request: web.Request) -> Any:
    return sandbox.load_fixture(await request.json())


async def _list_faults(sandbox: "Sandbox[Any]", _request: web.Request) -> Any:
    return [fault.describe() for fault in sandbox.faults.switches]


async def _set_faults(sandbox: "Sandbox[Any]", request: web.Request) -> Any:
    """Set one switch (a map) or several (a list)."""
    given = await request.json()
    return [sandbox.faults.add(**fault).describe() for fault in (given if isinstance(given, list) else [given])]


async def _clear_faults(sandbox: "Sandbox[Any]", _request: web.Request) -> Any:
    sandbox.faults.clear()
    return []


async def _write(sandbox: "Sandbox[Any]", request: web.Request) -> Any:
    """Let someone else write: `{"operation": ..., "params": ..., "user": "colleague"}`; gives the effects."""
    given = await request.json()
    known = len(sandbox.journal.effects)
    sandbox.write_as(given.get("user", "colleague"), given["operation"], given["params"])
    return [effect.describe() for effect in sandbox.journal.effects[known:]]


async def _clock(sandbox: "Sandbox[Any]", request: web.Request) -> Any:
    """Step the vendor's clock: `{"offset_ms": -5000}` against the real one."""
    sandbox.clock.offset_ms = int((await request.json())["offset_ms"])
    return {"now_ms": sandbox.clock.now_ms()}


async def _assume(sandbox: "Sandbox[Any]", request: web.Request) -> Any:
    """Change readings of the document: any field of the vendor's Assumptions; a map is merged."""
    assumptions = sandbox.assumptions
    known = asdict(assumptions)
    for name, value in (await request.json()).items():
        if name not in known:
            raise ValueError(f"nothing is assumed about {name!r}")
        setattr(assumptions, name, {**known[name], **value} if isinstance(known[name], dict) else value)
    return asdict(assumptions)


async def _set(sandbox: "Sandbox[Any]", request: web.Request) -> Any:
    """Change limits and latencies: fields of LimitRules, `read_latency_seconds` and `write_latency_seconds`."""
    given = await request.json()
    for name in ("read_latency_seconds", "write_latency_seconds"):
        if name in given:
            low, high = given.pop(name)
            setattr(sandbox, name, (float(low), float(high)))
    sandbox.limits.rules = replace(sandbox.limits.rules, **given)
    return {
        **asdict(sandbox.limits.rules),
        "read_latency_seconds": sandbox.read_latency_seconds,
        "write_latency_seconds": sandbox.write_latency_seconds,
    }


async def _gates(sandbox: "Sandbox[Any]", _request: web.Request) -> Any:
    return sandbox.gates.describe()


async def _gate(sandbox: "Sandbox[Any]", request: web.Request) -> Any:
    """One gate; `?arrived=N` waits until so many requests came to it."""
    gate = sandbox.gates[request.match_info["name"]]
    if arrived := _number(request, "arrived"):
        await gate.until_arrived(arrived, _wait_seconds(request))
    return {"open": gate.is_open, "arrived": gate.arrived, "waiting": gate.waiting}


async def _move_gate(sandbox: "Sandbox[Any]", request: web.Request) -> Any:
    """Open or close a gate: `{"open": true}`."""
    gate = sandbox.gates[request.match_info["name"]]
    if (await request.json())["open"]:
        gate.open()
    else:
        gate.close()
    return {"open": gate.is_open, "arrived": gate.arrived, "waiting": gate.waiting}


async def _redirect_target(sandbox: "Sandbox[Any]", request: web.Request) -> Any:
    """Where a redirect leads; whoever comes here is in the journal as `redirect-target`, answered like a success."""
    record = sandbox.journal.arrived("redirect-target", request.method)
    record.outcome = "ok"
    sandbox.journal.finished(record)
    return sandbox.redirect_body


def _number(request: web.Request, name: str) -> int:
    return int(request.query.get(name, "0"))


def _wait_seconds(request: web.Request) -> float:
    return float(request.query.get("timeout_seconds", DEFAULT_WAIT_SECONDS))


CALLS: dict[tuple[str, str], Call] = {
    ("GET", "/journal"): _journal,
    ("GET", "/state"): _state,
    ("GET", "/limits"): _limits,
    ("GET", "/in-flight"): _in_flight,
    ("POST", "/fixture"): _fixture,
    ("GET", "/faults"): _list_faults,
    ("POST", "/faults"): _set_faults,
    ("DELETE", "/faults"): _clear_faults,
    ("POST", "/write"): _write,
    ("POST", "/clock"): _clock,
    ("POST", "/assumptions"): _assume,
    ("POST", "/settings"): _set,
    ("GET", "/gates"): _gates,
    ("GET", "/gates/{name}"): _gate,
    ("POST", "/gates/{name}"): _move_gate,
    ("*", "/redirect-target"): _redirect_target,
}
