"""Everything that goes wrong in a play, when its moment has come."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from tests.checker.evidence import VendorBooks
from tests.sandbox.partium.state import Maintenance

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.openbom import OpenBomSandbox
    from tests.sandbox.partium import PartiumSandbox
    from tests.simulation.crew import Crew
    from tests.simulation.loop import VirtualLoop
    from tests.simulation.plan import Trouble
    from tests.simulation.store import Store
    from tests.simulation.vendors import Vendors

#: By this name the troubles of workers and store stand beside the vendors'.
RELAY = "relay"


class Misfortune:
    """Brings the troubles of one play, and counts those that are no switch of a sandbox."""

    def __init__(self, outside: VirtualLoop, store: Store, vendors: Vendors, crew: Crew) -> None:
        self._outside = outside
        self._store = store
        self._sandboxes = vendors.sandboxes
        self._crew = crew
        self._fired: Counter[str] = Counter()
        self._ways: dict[str, Callable[..., None]] = {
            "vendor_fault": self._vendor_fault,
            "second_writer": self._second_writer,
            "maintenance": self._maintenance,
            "tokens_expired": self._tokens_expired,
            "vendor_clock": self._vendor_clock,
            "hints_lost": self._hints_lost,
            "hints_doubled": self._hints_doubled,
            "store_cut": self._store_cut,
            "store_away": store.go_away,
            "store_restart": store.restart,
            "store_clock": store.step_clock,
            "kill": crew.kill,
            "freeze": crew.freeze,
            "stop": crew.stop,
        }

    def bring(self, trouble: Trouble) -> None:
        """Let it happen now."""
        self._fired[trouble.what] += 1
        self._ways[trouble.what](**trouble.options)

    def books(self) -> VendorBooks:
        """Give what befell workers and store, in the form of a vendor's books."""
        own = {what: count for what, count in self._fired.items() if what not in ("vendor_fault", "second_writer")}
        faults = [{"kind": what, "fired": count} for what, count in sorted(own.items())]
        return VendorBooks(RELAY, {"effects": [], "requests": []}, {"violations": []}, faults=faults)

    def _vendor_fault(self, vendor: str, kind: str, operation: str, **options: Any) -> None:
        self._sandboxes[vendor].faults.add(kind, operation, **options)

    def _second_writer(self, vendor: str, operation: str, **options: Any) -> None:
        self._sandboxes[vendor].faults.add("second_writer", operation, **options)

    def _maintenance(self, seconds: float) -> None:
        state = cast("PartiumSandbox", self._sandboxes["partium"]).state
        state.maintenance = Maintenance(on=True)
        self._outside.call_later(seconds, lambda: setattr(state, "maintenance", Maintenance()))

    def _tokens_expired(self) -> None:
        cast("OpenBomSandbox", self._sandboxes["openbom"]).accounts.expire_tokens()

    def _vendor_clock(self, vendor: str, step_ms: int) -> None:
        self._sandboxes[vendor].clock.offset_ms += step_ms

    def _hints_lost(self, vendor: str) -> None:
        self._store.look(("DEL", f"vendor.{vendor}"))

    def _hints_doubled(self, vendor: str) -> None:
        (hints,) = self._store.look(("LRANGE", f"vendor.{vendor}", 0, -1))
        if hints:
            self._store.look(("LPUSH", f"vendor.{vendor}", *hints))

    def _store_cut(self, process: int, when: str, calls: int) -> None:
        self._store.cut(self._crew.name_of(process), before=when == "before", calls=calls)
