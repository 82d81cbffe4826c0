"""One chaos run: the system is started, everything is asked and broken at the same time, and the end is judged."""

from __future__ import annotations

import itertools
import random
import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import redis
import requests

from tasks.identity import KEY_LENGTH
from tasks.routes import read_routes
from tests.chaos.commands import Asked, Commands
from tests.chaos.faults import switches
from tests.chaos.record import Record
from tests.chaos.senders import SENDERS, Sender, shared_out
from tests.chaos.troubles import CLASSES, Troubles, until_stopped
from tests.chaos.warehouse import ROUTES, Sizes, fixtures
from tests.checker.evidence import Evidence, Told, VendorBooks
from tests.checker.judge import judge
from tests.checker.verdict import Finding
from tests.ledgers import ENDED_STATES, OPEN_STATES, Ledgers
from tests.stack import API_CLIENT, Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from tests.checker.verdict import Verdict

VENDORS: Final = ("partsbox", "partium", "openbom", "partbolt", "routing")
#: What the workers are told: requests a second, of which so many at once, and in flight. A slot whose release was lost
#: with Redis is free after timeout, settle time and 5 s: with few slots, most of a run would be waiting for them.
LIMITS: Final = {"partsbox": (150, 30, 60), "partium": (20, 4, 6), "openbom": (40, 4, 4), "partbolt": (20, 4, 6)}
#: Short, so that lost requests are decided within the run; the vendors commit after 1.2 s at the latest: faults.py.
SETTLE_SECONDS: Final = 4
TIMEOUT_SECONDS: Final = 5
LEASE_SECONDS: Final = 3
#: The troubles end when so much of everything has ended: the last commands are to find their vendors.
NEARLY: Final = 0.97
#: Nothing moves for so long: it never will. More than any pause, lease, settle time and look-up together.
STILL_SECONDS: Final = 90.0
#: Between two looks at the ledgers, for the plot.
LOOK_SECONDS: Final = 0.25
CONTROL_SECONDS: Final = 60
#: Commands that are told in full.
MOST_STORIES: Final = 50
_KEY: Final = re.compile(rf"\b[a-z2-7]{{{KEY_LENGTH}}}\b")
#: How long threads of a run that is given up are waited for, before the system is taken away from under them.
LEAVE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to be; the same seed asks and breaks the same."""

    seed: int
    commands: int
    #: The commands are posted over so many seconds.
    seconds: float
    #: Between two troubles of one sort, about.
    gap_seconds: float
    #: One fault of each main class at each vendor, for a short run.
    few_faults: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    plan: Plan
    verdict: Verdict
    record: Record
    #: Milliseconds by the wall clock and kind of each fault that a vendor's request met.
    faults_ms: list[tuple[int, str]]
    took_seconds: float
    #: Of each command that something is said about, by its key: its server is gone when somebody reads it.
    stories: dict[str, Any]

    @property
    def is_right(self) -> bool:
        """Tell whether every command was done once, and every program did what it was told."""
        return self.verdict.is_right and not self.record.wrongs


def settings(folder: Path) -> dict[str, str]:
    """Give the environment of the run's processes."""
    config = folder / "chaos.toml"
    config.write_text(ROUTES)
    found = {"STOCKRELAY_ROUTING_CONFIG": str(config), "STOCKRELAY_WEBHOOKS_CONFIG": str(config)}
    for vendor, (rate, burst, most) in LIMITS.items():
        own = {
            "RATES": f"{rate}/1s+{burst}",
            "CONCURRENCY": most,
            "SETTLE_SECONDS": SETTLE_SECONDS,
            "TIMEOUT_SECONDS": TIMEOUT_SECONDS,
        }
        found |= {f"STOCKRELAY_{vendor.upper()}_{name}": str(value) for name, value in own.items()}
    return found | {
        "STOCKRELAY_PARTSBOX_USER": "relay",
        "STOCKRELAY_WORKER_LEASE_SECONDS": str(LEASE_SECONDS),
        "STOCKRELAY_WEBHOOKS_REQUESTS_PER_MINUTE": "0",
    }


def sandbox_options(vendor: str) -> tuple[str, ...]:
    """Give a vendor's limits; between permit and arrival a request may lose half a second, as in the demo."""
    rate, burst, most = LIMITS[vendor]
    return (
        *("--rate", f"{rate}/s", "--burst", str(burst + rate), "--concurrency", str(most)),
        *("--read-latency-ms", "5-15", "--write-latency-ms", "15-40"),
    )


class Run:
    """Plays a plan on a running stack."""

    def __init__(self, stack: Stack, plan: Plan) -> None:
        self._stack = stack
        self._plan = plan
        self._ledgers = Ledgers(stack.redis_url, VENDORS)
        self._record = Record()
        self._stopping = threading.Event()

    def play(self, show: Callable[[Record], None]) -> Outcome:
        """Ask and break everything, wait for the end, and judge; `show` is called after every look."""
        sizes = Sizes.of(self._plan.commands)
        for vendor, fixture in fixtures(sizes).items():
            self._control(vendor, "POST", "fixture", fixture)
        asked = self._asked(sizes)
        chance = random.Random(f"{self._plan.seed} faults")
        for vendor, chosen in switches(chance, asked, few=self._plan.few_faults).items():
            self._control(vendor, "POST", "faults", chosen)
        self._record = Record()
        self._play(asked, show)
        took = self._record.now()
        verdict, faults_ms = self._judge(asked)
        return Outcome(self._plan, verdict, self._record, faults_ms, took, self._stories(verdict))

    def _asked(self, sizes: Sizes) -> list[Asked]:
        routes = read_routes(Path(self._stack.environment["STOCKRELAY_ROUTING_CONFIG"]))
        chance = random.Random(f"{self._plan.seed} commands")
        now_ms = time.time_ns() // 1_000_000
        return Commands(chance, sizes, routes, source=API_CLIENT, start_ms=now_ms).make(self._plan.commands)

    def _play(self, asked: Sequence[Asked], show: Callable[[Record], None]) -> None:
        troubles = Troubles(self._stack, self._record, self._plan.seed, self._plan.gap_seconds)
        sender = Sender(self._stack, self._record, self._stopping, self._plan.seconds / len(asked))
        threads = ThreadPoolExecutor(max_workers=SENDERS + len(troubles.loops))
        senders = [threads.submit(until_stopped, partial(sender.post_all, share)) for share in shared_out(asked)]
        breaking = [threads.submit(until_stopped, loop) for loop in troubles.loops]
        try:
            self._watch(sum(len(one.expected) for one in asked), senders, breaking, troubles, show)
        finally:
            self._stopping.set()
            troubles.leave()
            wait([*senders, *breaking], LEAVE_SECONDS)
            threads.shutdown(wait=False, cancel_futures=True)

    def _watch(
        self,
        wanted: int,
        senders: Sequence[Future[None]],
        breaking: Sequence[Future[None]],
        troubles: Troubles,
        show: Callable[[Record], None],
    ) -> None:
        """Look until every command has ended, or nothing moves any more, or a thread has failed."""
        last, moved_at = Counter[str](), time.monotonic()
        while True:
            time.sleep(LOOK_SECONDS)
            for each in (*senders, *breaking):
                if each.done():
                    each.result()
            states = self._states()
            if states is None:
                continue
            self._record.saw(states)
            show(self._record)
            if states != last:
                last, moved_at = states, time.monotonic()
            ended = sum(states[state] for state in ENDED_STATES)
            posted = all(each.done() for each in senders)
            if posted and ended >= NEARLY * wanted:
                troubles.end()
            is_open = any(states[state] for state in OPEN_STATES)
            if posted and ended >= wanted and not is_open and all(each.done() for each in breaking):
                return
            if time.monotonic() - moved_at > STILL_SECONDS:
                return

    def _states(self) -> Counter[str] | None:
        """Count the commands by state; None while Redis is away."""
        try:
            return sum(self._ledgers.counts().values(), Counter())
        except redis.RedisError:
            return None

    # the end

    def _judge(self, asked: Sequence[Asked]) -> tuple[Verdict, list[tuple[int, str]]]:
        books = {vendor: self._books(vendor) for vendor in LIMITS}
        told = {vendor: Told(self._ledgers.entries(vendor), self._ledgers.steps(vendor)) for vendor in VENDORS}
        expected = [each for one in asked for each in one.expected]
        verdict = judge(Evidence(expected, books, told), must_fire=True)
        verdict.lost += [Finding("webhooks", refused) for refused in self._record.refused]
        made = self._record.troubles()
        verdict.fired |= {("system", trouble): made[trouble] for trouble in CLASSES}
        verdict.trivial += [Finding("system", f"{trouble} never happened") for trouble in CLASSES if not made[trouble]]
        requests_ = [request for each in books.values() for request in each.journal["requests"]]
        faults_ms = [(request["arrived_ms"], kind) for request in requests_ for kind in request["faults"]]
        return verdict, sorted(faults_ms)

    def _stories(self, verdict: Verdict) -> dict[str, Any]:
        findings = [*verdict.repeated, *verdict.decidable, *itertools.chain(*verdict.wrongs().values())]
        named = {(one.vendor, key) for one in findings if one.vendor in VENDORS for key in _KEY.findall(one.what)}
        return {key: self._ledgers.story(vendor, key) for vendor, key in sorted(named)[:MOST_STORIES]}

    def _books(self, vendor: str) -> VendorBooks:
        self._control(vendor, "GET", "in-flight?quiet=1", None)
        journal, limits, state, faults = (
            self._control(vendor, "GET", path, None) for path in ("journal", "limits", "state", "faults")
        )
        return VendorBooks(vendor, journal, limits, state, faults)

    def _control(self, vendor: str, method: str, path: str, body: Any) -> Any:
        url = f"{self._stack.control_urls[vendor]}/{path}"
        answer = requests.request(method, url, json=body, timeout=CONTROL_SECONDS)
        answer.raise_for_status()
        return answer.json()
