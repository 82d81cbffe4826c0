"""The four vendors of a play: their sandboxes without sockets, how workers know them, and their books."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from tests.checker.evidence import VendorBooks
from tests.sandbox import openbom, partbolt, partium, partsbox
from tests.sandbox.limits import LimitRules
from tests.simulation.warehouse import FIXTURES, OPENBOM, PARTBOLT, PARTIUM, PARTSBOX
from workers.limits import PERMIT_SECONDS, Rate
from workers.vendor_settings import OpenBomSettings, PartBoltSettings, PartiumSettings, PartsBoxSettings, VendorSettings

if TYPE_CHECKING:
    from tests.sandbox.server import Sandbox
    from tests.simulation.clock import Scheduler
    from tests.simulation.network import Network

_SANDBOXES: Final[dict[str, type[Sandbox[Any]]]] = {
    PARTSBOX: partsbox.PartsBoxSandbox,
    PARTIUM: partium.PartiumSandbox,
    OPENBOM: openbom.OpenBomSandbox,
    PARTBOLT: partbolt.PartBoltSandbox,
}
#: Quicker than the real ones, so that plays are short; times are the defaults of the settings.
_RATES: Final = (Rate(10, 1.0, 5),)
READ_LATENCY_SECONDS: Final = (0.005, 0.040)
WRITE_LATENCY_SECONDS: Final = (0.020, 0.120)
#: What the network adds between the last look at a permit and the arrival.
_JITTER_SECONDS: Final = 0.05


def settings_of(vendor: str) -> VendorSettings:
    """Give a worker's settings for a vendor."""
    where: dict[str, Any] = {"url": f"https://{vendor}.example", "rates": _RATES}
    match vendor:
        case "partsbox":
            where["url"] += "/api/1"
            return PartsBoxSettings(**where, api_key=SecretStr(partsbox.API_KEY), user=partsbox.API_USER)
        case "partium":
            return PartiumSettings(**where, api_key=SecretStr(partium.API_KEY))
        case "openbom":
            named = {"app_key": openbom.APP_KEY, "username": openbom.EMAIL, "password": openbom.PASSWORD}
            return OpenBomSettings(**where, **{name: SecretStr(text) for name, text in named.items()})
    return PartBoltSettings(**where, token=SecretStr(partbolt.TOKEN))


class Vendors:
    """The sandboxes of one play, reached through its network; they never die."""

    def __init__(self, scheduler: Scheduler, network: Network, seed: int) -> None:
        self.sandboxes = {vendor: _sandbox(vendor, scheduler, seed) for vendor in _SANDBOXES}
        for vendor, sandbox in self.sandboxes.items():
            network.connect(f"{vendor}.example", sandbox)

    @property
    def quiet(self) -> bool:
        """Tell whether no vendor works on a request any more."""
        return not any(sandbox.in_flight for sandbox in self.sandboxes.values())

    def books(self) -> dict[str, VendorBooks]:
        """Give everybody's books."""
        return {
            vendor: VendorBooks(
                vendor,
                sandbox.journal.describe(),
                sandbox.limits.describe(),
                sandbox.describe_state(),
                [fault.describe() for fault in sandbox.faults.switches],
            )
            for vendor, sandbox in self.sandboxes.items()
        }


def _sandbox(vendor: str, scheduler: Scheduler, seed: int) -> Sandbox[Any]:
    policy = settings_of(vendor).limit_policy()
    (rate,) = policy.rates
    late = (PERMIT_SECONDS + _JITTER_SECONDS) * rate.limit / rate.period_seconds
    rules = LimitRules(rate.limit / rate.period_seconds, rate.burst + math.ceil(late), policy.concurrency)
    sandbox = _SANDBOXES[vendor](
        seed=seed,
        clock_ms=scheduler.now_ms,
        monotonic=lambda: scheduler.now,
        read_latency_seconds=READ_LATENCY_SECONDS,
        write_latency_seconds=WRITE_LATENCY_SECONDS,
        limit_rules=rules,
    )
    sandbox.root_url = f"https://{vendor}.example"
    sandbox.load_fixture(FIXTURES[vendor])
    return sandbox
