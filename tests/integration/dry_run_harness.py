"""The vendors' sandboxes as a file of assumptions, and what they were really sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.sandbox.partsbox.orders import outstanding
from tests.sandbox.server import Sandbox

if TYPE_CHECKING:
    import pytest

    from tests.conformance.catalogue import Vendors
    from tests.sandbox.exchange import Exchange
    from tests.sandbox.partsbox.state import State
    from workers.dry_run.recording import SentRequest


@dataclass(frozen=True)
class Wire:
    """One request as it came over the wire; of the headers those that we set."""

    method: str
    url: str
    body: bytes
    headers: tuple[tuple[str, str], ...]
    #: Whether the vendor says that it writes.
    changes: bool

    @classmethod
    def of(cls, request: SentRequest) -> Wire:
        """Give a rendered request in the same form."""
        return cls(request.method, request.url, request.body, _ours(request.headers.items()), request.changes)

    def __str__(self) -> str:
        return f"{self.method} {self.url} {self.body.decode()}"


#: Everything else in a request's head is the HTTP library's own.
_PLAIN = frozenset({"Accept", "User-Agent", "Content-Type"})
_SECRET = frozenset({"Authorization", "Authentication", "X-OpenBOM-AppKey", "X-OpenBOM-AccessToken"})


def _ours(headers: Any) -> tuple[tuple[str, str], ...]:
    """Keep our headers, of a secret one the scheme only."""
    kept = {name: value for name, value in headers if name in _PLAIN}
    hidden = {name: f"{value.rpartition(' ')[0]} ***".strip() for name, value in headers if name in _SECRET}
    return tuple(sorted({**kept, **hidden}.items()))


def record(monkeypatch: pytest.MonkeyPatch) -> list[Wire]:
    """Keep every request that any sandbox gets from now on, logins left out."""
    seen: list[Wire] = []
    read_body = Sandbox.read_body

    async def read_and_keep(sandbox: Sandbox[Any], exchange: Exchange) -> bytes:
        body = await read_body(sandbox, exchange)
        request = exchange.request
        if not request.path.endswith("/login"):
            writes = sandbox.operations[exchange.record.operation]
            seen.append(Wire(request.method, str(request.url), body, _ours(request.headers.items()), writes))
        return body

    monkeypatch.setattr(Sandbox, "read_body", read_and_keep)
    return seen


def assumed(vendors: Vendors) -> bytes:
    """Write down all that the vendors have, as a file for `--assume`."""
    found = {
        "partsbox": _partsbox(vendors.partsbox.state),
        "partium": {
            "parts": [stored.value for stored in vendors.partium.state.parts.objects.values()],
            "assemblies": [stored.value for stored in vendors.partium.state.assemblies.objects.values()],
        },
        "openbom": {
            f"{kind}s": [
                document.shown(vendors.openbom.assumptions)
                for document in vendors.openbom.vendor.documents.values()
                if document.kind == kind
            ]
            for kind in ("bom", "catalog")
        },
        "partbolt": {"parts": list(vendors.partbolt.database.parts.values())},
    }
    return json.dumps(found).encode()


def _partsbox(state: State) -> dict[str, Any]:
    return {
        "parts": [
            {**part, "part/stock": [entry.describe() for entry in state.history.get(part_id, ())]}
            for part_id, part in state.parts.items()
        ],
        "storages": list(state.storages.values()),
        "lots": list(state.lots.values()),
        "orders": [
            {**order, "order/entries": [line.describe(with_part=True) for line in outstanding(state, order_id)]}
            for order_id, order in state.orders.items()
        ],
        "projects": [
            {**project, "project/entries": list(state.project_entries.get(project_id, {}).values())}
            for project_id, project in state.projects.items()
        ],
        "builds": list(state.builds.values()),
    }
