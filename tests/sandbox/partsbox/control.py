"""The control API under /_sandbox/, for tests that run the vendor as a process; no key needed."""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.sandbox.partsbox.limits import REPORTED_WINDOWS_SECONDS
from tests.sandbox.partsbox.operations import Caller
from tests.sandbox.partsbox.wire import RefusedError

if TYPE_CHECKING:
    from tests.sandbox.partsbox.server import PartsBoxSandbox

CONTROL_PATH = "/_sandbox"

#: how long a waiting call waits when it does not say
DEFAULT_WAIT_SECONDS = 10.0

Call = Callable[["PartsBoxSandbox", web.Request], Awaitable[Any]]


def control_routes(sandbox: "PartsBoxSandbox") -> list[web.RouteDef]:
    """Give the routes of the control API for one sandbox."""
    return [
        web.route(method, CONTROL_PATH + path, functools.partial(_answer, sandbox, call))
        for (method, path), call in CALLS.items()
    ]


async def _answer(sandbox: "PartsBoxSandbox", call: Call, request: web.Request) -> web.Response:
    """Answer JSON: 400 for what a test got wrong, 409 for what the vendor refuses, 504 for a wait in vain."""
    try:
        return web.json_response(await call(sandbox, request))
    except RefusedError as error:
        return web.json_response({"error": str(error), "problem": error.problem}, status=409)
    except TimeoutError:
        return web.json_response({"error": "did not happen in time"}, status=504)
    except (ValueError, KeyError, TypeError) as error:
        return web.json_response({"error": repr(error)}, status=400)


async def _journal(sandbox: "PartsBoxSandbox", request: web.Request) -> Any:
    """Both books; `?effects=N` or `?requests=N` waits for so many."""
    if effects := _number(request, "effects"):
        await sandbox.journal.until_effects(effects, _wait_seconds(request))
    if requests := _number(request, "requests"):
        operation = request.query.get("operation")
        await sandbox.journal.until_requests(requests, operation, _wait_seconds(request))
    return sandbox.journal.describe()


async def _state(sandbox: "PartsBoxSandbox", _request: web.Request) -> Any:
    state = sandbox.state
    return {
        "parts": list(state.parts.values()),
        "storages": list(state.storages.values()),
        "lots": list(state.lots.values()),
        "orders": list(state.orders.values()),
        "history": {part_id: [e.describe() for e in entries] for part_id, entries in state.history.items()},
        "on_hand": [
            {"part_id": part, "storage_id": storage, "lot_id": lot, "quantity": quantity}
            for part, storage, lot, quantity in state.balances()
        ],
        "lot_control": state.lot_control,
        "clock_offset_ms": state.clock_offset_ms,
    }


async def _limits(sandbox: "PartsBoxSandbox", request: web.Request) -> Any:
    """The books of the limits; `?window=SECONDS`, repeatable, asks for other windows."""
    windows = tuple(float(window) for window in request.query.getall("window", []))
    return sandbox.limits.describe(windows or REPORTED_WINDOWS_SECONDS)


async def _in_flight(sandbox: "PartsBoxSandbox", request: web.Request) -> Any:
    """Requests in flight; `?quiet=1` waits until there is none."""
    if _number(request, "quiet"):
        await sandbox.until_quiet(_wait_seconds(request))
    return [exchange.describe() for exchange in sandbox.in_flight]


async def _fixture(sandbox: "PartsBoxSandbox", request: web.Request) -> Any:
    return sandbox.load.load(await request.json())


async def _list_faults(sandbox: "PartsBoxSandbox", _request: web.Request) -> Any:
    return [asdict(fault) for fault in sandbox.faults.switches]


async def _set_faults(sandbox: "PartsBoxSandbox", request: web.Request) -> Any:
    """Set one switch (a map) or several (a list)."""
    given = await request.json()
    return [asdict(sandbox.faults.add(**fault)) for fault in (given if isinstance(given, list) else [given])]


async def _clear_faults(sandbox: "PartsBoxSandbox", _request: web.Request) -> Any:
    sandbox.faults.clear()
    return []


async def _stock(sandbox: "PartsBoxSandbox", request: web.Request) -> Any:
    """Let someone else write: `{"operation": "stock/add", "params": {...}, "user": "colleague"}`."""
    given = await request.json()
    caller = Caller(given.get("user", "colleague"))
    sandbox.vendor.perform(given["operation"], given["params"], caller, foreign=True)
    return sandbox.journal.effects[-1].describe()


async def _clock(sandbox: "PartsBoxSandbox", request: web.Request) -> Any:
    """Step the vendor's clock: `{"offset_ms": -5000}` against the real one."""
    sandbox.state.clock_offset_ms = int((await request.json())["offset_ms"])
    return {"now_ms": sandbox.state.now_ms()}


async def _assume(sandbox: "PartsBoxSandbox", request: web.Request) -> Any:
    """Change readings of the document: any field of Assumptions."""
    assumptions = sandbox.state.assumptions
    for name, value in (await request.json()).items():
        if name not in asdict(assumptions):
            raise ValueError(f"nothing is assumed about {name!r}")
        setattr(assumptions, name, {**assumptions.statuses, **value} if name == "statuses" else value)
    return asdict(assumptions)


async def _gates(sandbox: "PartsBoxSandbox", _request: web.Request) -> Any:
    return sandbox.gates.describe()


async def _gate(sandbox: "PartsBoxSandbox", request: web.Request) -> Any:
    """One gate; `?arrived=N` waits until so many requests came to it."""
    gate = sandbox.gates[request.match_info["name"]]
    if arrived := _number(request, "arrived"):
        await gate.until_arrived(arrived, _wait_seconds(request))
    return {"open": gate.is_open, "arrived": gate.arrived, "waiting": gate.waiting}


async def _move_gate(sandbox: "PartsBoxSandbox", request: web.Request) -> Any:
    """Open or close a gate: `{"open": true}`."""
    gate = sandbox.gates[request.match_info["name"]]
    if (await request.json())["open"]:
        gate.open()
    else:
        gate.close()
    return {"open": gate.is_open, "arrived": gate.arrived, "waiting": gate.waiting}


async def _redirect_target(sandbox: "PartsBoxSandbox", request: web.Request) -> Any:
    """Where a redirect leads; whoever comes here is in the journal as `redirect-target`, answered like a success."""
    record = sandbox.journal.arrived("redirect-target", request.method)
    record.outcome = "ok"
    sandbox.journal.finished(record)
    return {"partsbox.status/category": "ok", "partsbox.status/message": "OK"}


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
    ("POST", "/stock"): _stock,
    ("POST", "/clock"): _clock,
    ("POST", "/assumptions"): _assume,
    ("GET", "/gates"): _gates,
    ("GET", "/gates/{name}"): _gate,
    ("POST", "/gates/{name}"): _move_gate,
    ("*", "/redirect-target"): _redirect_target,
}
