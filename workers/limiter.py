"""The vendor limiter: rates, slots and pauses of one vendor, shared by every process on every machine.

All state is in Redis and every decision is one call of `limiter.lua` on the Redis server's clock, so clocks of
machines do not matter and a killed process leaves nothing behind that does not run out by itself.

**Rates.** Each rate is a GCRA: in *any* window of `w` seconds at most `limit * w / period_seconds + burst` permits are
granted. The window counts grants. A permit may be used up to `Permit.valid_seconds` after its grant, so the vendor sees
at most `limit * (w + valid_seconds) / period_seconds + burst` requests. The caller's part is to ask `Permit.fresh()`
right before the first byte leaves and to acquire again if it is not: a process that was stopped in between must not
send late. No limiter outside the vendor can cover a stop between that check and the write.

**Slots.** At most `concurrency` slots are taken at any time. A slot is freed by `release`, or by Redis after
`slot_seconds` (a SIGKILLed holder), or at the end of a `ghost` time. The bound on requests in flight therefore holds if
every request ends within `slot_seconds - valid_seconds` of its sending.

**Not covered.** A Redis that loses its last writes (no AOF, fail-over without `WAIT`) or whose clock jumps
forward forgets grants: at most one extra burst per rate, and slots whose time seems past. A jump back only delays.
"""

import asyncio
import math
import random
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from tasks.errors import own_error, shared
from tasks.ports import Grant
from tasks.script_calls import ScriptCalls
from workers.grants import CLOSE_SECONDS, Grants, failed, log_untold
from workers.limits import PERMIT_SECONDS, LimitPolicy, LimitSnapshot, PausedError, Permit, Rate, microseconds

__all__ = ["LimitPolicy", "LimitSnapshot", "Limiter", "PausedError", "Permit", "Rate"]

#: Longest sleep between two looks at Redis: how late a resume or a new policy is noticed. NAP in limiter.lua.
MAX_NAP_SECONDS = 0.5
#: Waiters decided in one call: enough for thousands of permits a second, and a script run of well under 1 ms.
BATCH = 32
#: A caller that was turned away for want of a slot (nobody knows when one is free) should come back after this.
TURNED_AWAY_SECONDS = 1.0
#: Longest wait for a turn. Waiting costs a place in the worker and nothing else, while a command that is turned away
#: goes round by the ledger and the queue; only a turn as far away as a used-up daily quota is worth that.
MAX_WAIT_SECONDS = 60.0
#: A pause is everybody's: beyond this it is better to let the worker look at something else.
MAX_PAUSE_SECONDS = 3.0
#: While the factor ramps up, it moves once in this time; more calls would change nothing. RAMP_EVERY in limiter.lua.
RAMP_SECONDS = 1.0
#: A backoff without Retry-After is stretched by up to this share, so that vendors do not see us in step.
MAX_JITTER = 0.25
#: A Retry-After above a day is taken for a mistake of the vendor; the next try finds out.
MAX_RETRY_AFTER_SECONDS = 86_400.0
#: Between two tries to release what could not be released: a slot that nobody frees stays taken for minutes.
OWED_SECONDS = 1.0
#: A reason is shown in one line of a table.
MAX_REASON_LENGTH = 200

#: How a task is named that waits until it makes sense to ask again; behind it stands the limiter's key.
NAP_OF = "limiter nap of "

_VENDOR = re.compile(r"[a-z0-9][a-z0-9_-]*")
_SCRIPT = (Path(__file__).with_suffix(".lua")).read_text(encoding="utf-8")


@dataclass(slots=True, eq=False)
class _Waiter:
    """One call of `acquire`: its token makes the grant recognisable whatever happens to the answer."""

    slot_id: str
    token: str
    since: float
    ahead: Callable[[Grant], None] | None
    #: Resolves to the permit and the local time before which it must not be used.
    granted: asyncio.Future[tuple[Permit, float]]
    waited: bool = False


class Limiter:
    """The limits of one vendor. One instance per process and vendor, used from one event loop.

    Redis errors propagate from every method and never grant. Each acquired slot id must be released or ghosted.
    `policy` should be the same in all processes; change it while they run with `configure`.
    """

    def __init__(
        self,
        redis: Redis,
        vendor: str,
        policy: LimitPolicy,
        *,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
        max_pause_seconds: float = MAX_PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        if _VENDOR.fullmatch(vendor) is None:
            raise ValueError(f"a vendor's name is made of a-z, 0-9, _ and -: {vendor!r}")
        names = ("state", "rates", "slots", "owners", "turns", "promises")
        keys = [f"sr:{{{vendor}}}:limit:{name}" for name in names]
        self._calls = ScriptCalls(redis, redis.register_script(_SCRIPT), keys)
        self._name = keys[0]
        self._slot_seconds = policy.slot_seconds
        self._policy_json = policy.to_json()
        self._max_wait_seconds = max_wait_seconds
        self._max_pause_seconds = min(max_pause_seconds, max_wait_seconds)
        self._clock = clock
        self._sleep = sleep
        self._rng = rng or random.Random()
        self._process = uuid.uuid4().hex
        self._asked = 0
        self._queue: dict[str, _Waiter] = {}  # by token, in order
        self._in_call: Sequence[_Waiter] = ()
        self._grants = Grants(self._calls, self._policy_json, freed=self._wake, owing=self._start_poller)
        self._poller: asyncio.Task[None] | None = None
        self._nap: asyncio.Task[None] | None = None
        self._woken = False
        #: The last time that Redis was asked, everyone got a permit.
        self._flowing = True
        self._owners = keys[3]
        #: When `reward` next needs a call; infinite at full speed.
        self._reward_due = math.inf

    async def acquire(self, slot_id: str, ahead: Callable[[Grant], None] | None = None) -> Permit:
        """Wait for the rates and a slot, in the order of calling, and take both or neither.

        A slot id that is already held (a crashed worker's command, a stale permit) is taken over: no second slot, but
        the rates are charged. One call per slot id at a time. Raises PausedError instead of waiting longer than
        `max_wait_seconds` for a turn, or `max_pause_seconds` for the end of a pause.

        `ahead` is called, where a grant is likely, with how Redis will tell it: what it asks there is executed behind
        the question for this permit, in the same round trip.
        """
        self._asked += 1
        granted = asyncio.get_running_loop().create_future()
        waiter = _Waiter(slot_id, f"{self._process}:{self._asked}", self._clock(), ahead, granted)
        self._queue[waiter.token] = waiter
        self._start_poller()
        try:
            permit, not_before = await waiter.granted
            early = not_before - self._clock()
            if early > 0:
                await self._sleep(early)
        except asyncio.CancelledError:
            self._abandon(waiter)
            raise
        return permit

    async def release(self, slot_id: str) -> None:
        """Free the slot: the vendor has answered, or is known to be done. Freeing it twice does nothing.

        Only a grant of this process, or a ghost of any, is freed: not the slot of a process that took over. While Redis
        is away its error comes through, and the grant is freed as soon as it is back.
        """
        await shared(self._grants.release(slot_id))  # with all slots of the moment

    async def ghost(self, slot_id: str, seconds: float) -> None:
        """Keep the slot taken until `seconds` from now or `release`: we hung up, the vendor may still be working.

        Any process may call this, also after the slot ran out, and then release it.
        """
        await asyncio.shield(self._grants.ghost(slot_id, seconds))

    def leave(self, slot_id: str, *, ghost_seconds: float = 0.0, taken: bool = False) -> None:
        """Release the slot, or make a ghost of it, without waiting: Redis hears of it before what is asked next.

        `taken`: the vendor took the request; see `reward`. A Redis that is away is logged, as `aclose` waits for it.
        """
        log = partial(log_untold, slot_id)
        grants = self._grants
        told = grants.ghost(slot_id, ghost_seconds) if ghost_seconds else grants.release(slot_id)
        told.add_done_callback(log)
        if taken and self._clock() >= self._reward_due:
            self._reward().add_done_callback(log)

    def refuse(self, error: Callable[[], Exception]) -> None:
        """Raise an error to everyone who waits for a permit."""
        waiters, self._queue = self._queue, {}
        for waiter in waiters.values():
            if not waiter.granted.done():
                waiter.granted.set_exception(error())

    async def aclose(self) -> None:
        """Wait, for a while, until Redis knows which slots were left, those granted to nobody any more among them."""
        if self._poller is not None:
            await asyncio.wait((self._poller,), timeout=CLOSE_SECONDS)
            self._poller.cancel()
        await self._grants.aclose()

    async def pause(self, seconds: float | None, reason: str) -> None:
        """Grant nothing for `seconds`, in no process; None: until `resume`. Never shortens a longer pause.

        A permit granted just before may still be used, for at most 25 ms plus its `valid_seconds`.
        """
        duration = "" if seconds is None else microseconds(seconds)
        await self._call("pause", duration, reason[:MAX_REASON_LENGTH])

    async def resume(self) -> None:
        """End every pause, the operator's too. Other processes notice within MAX_NAP_SECONDS."""
        await self._call("resume")
        self._wake()

    async def paused(self) -> bool:
        """Tell whether a pause is in force, an operator's or a timed one."""
        (paused,) = await self._call("paused")
        return bool(int(paused))

    async def penalise(self, retry_after_seconds: float | None, reason: str = "too many requests (429)") -> float:
        """Pause everything, halve the rates (down to a tenth), then send one request at a time.

        For a 429, a 503, or when no connection came about.

        `retry_after_seconds`: what the vendor asked for (RFC 9110, 10.2.3). None, and anything that is no time ahead,
        gives 1, 2, 4 ... 60 s plus up to a quarter. 429s that arrive during the pause count once.
        Returns the seconds until the pause ends.
        """
        asked = retry_after_seconds
        usable = asked is not None and math.isfinite(asked) and asked > 0
        retry_after = microseconds(min(asked, MAX_RETRY_AFTER_SECONDS)) if usable and asked is not None else ""
        (pause_us,) = await self._call(
            "penalise", retry_after, round(self._rng.uniform(0, MAX_JITTER) * 1000), reason[:MAX_REASON_LENGTH]
        )
        return int(pause_us) / 1e6

    async def reward(self) -> None:
        """After an answer that was no 429: end the probing, and ramp the rates up by a twentieth, once a second.

        Costs no Redis call at full speed. Call it for refusals of the content too: the vendor did take the request.
        """
        if self._clock() >= self._reward_due:
            await asyncio.shield(self._reward())

    async def configure(self, policy: LimitPolicy | None) -> None:
        """Put another policy in force in all processes at once, without a restart; None: back to their own.

        How long a slot lives stays each process's own: it follows from that process's request timeout.
        """
        await self._call("configure", "" if policy is None else policy.live_json())
        self._wake()

    async def snapshot(self) -> LimitSnapshot:
        """Return the limits in force and their use, from one call."""
        found = await self._call("snapshot", self._policy_json)
        policy = LimitPolicy.from_json(_text(found[0]), self._slot_seconds)
        live, factor, probing, in_flight, ghosts, paused_until_us = (int(value) for value in found[1:7])
        return LimitSnapshot(
            rates=policy.rates,
            concurrency=policy.concurrency,
            slot_seconds=policy.slot_seconds,
            live=bool(live),
            factor=factor / 1000,
            probing=bool(probing),
            in_flight=in_flight,
            ghosts=ghosts,
            paused_until_ms=paused_until_us // 1000 or None,
            pause_reason=_text(found[7]) or None,
            operator_paused=bool(found[8]),
            granted_total=int(found[9]),
            waits_total=int(found[10]),
        )

    async def _call(self, operation: str, *arguments: str | int) -> list[Any]:
        found: list[Any] = await self._post(operation, *arguments)
        return found

    def _post(self, operation: str, *arguments: str | int) -> asyncio.Future[Any]:
        self._grants.flush()
        return self._calls.ask((operation, *arguments))

    def _reward(self) -> asyncio.Future[Any]:
        told = self._grants.tell("reward")
        told.add_done_callback(self._rewarded)
        return told

    def _rewarded(self, told: asyncio.Future[Any]) -> None:
        if not failed(told):
            slowness = int(told.result()[0])
            self._reward_due = {0: math.inf, 1: self._clock() + RAMP_SECONDS}.get(slowness, -math.inf)
            self._wake()

    def _abandon(self, waiter: _Waiter) -> None:
        """Undo a cancelled `acquire`; a grant under way is noticed when its answer arrives."""
        self._queue.pop(waiter.token, None)
        if waiter.granted.done() and not waiter.granted.cancelled() and waiter.granted.exception() is None:
            self._give_back([waiter])
            self._start_poller()

    def _give_back(self, waiters: Iterable[_Waiter]) -> None:
        """Note grants that reach nobody (or may exist); the poller frees them before it asks for more."""
        for waiter in waiters:
            self._grants.give_back(waiter.slot_id, waiter.token)

    def _start_poller(self) -> None:
        if self._poller is None or self._poller.done():
            self._poller = asyncio.get_running_loop().create_task(self._poll(), name="limiter poller")
            self._poller.add_done_callback(self._poller_ended)
        elif self._grants.owes:
            self._wake()

    def _poller_ended(self, poller: asyncio.Task[None]) -> None:
        """Hand a failure to everyone who waits; a grant in a lost answer must not stay."""
        # cancelled: the loop is closing, and has cancelled those who wait as well
        if poller.cancelled() or (error := poller.exception()) is None:
            return
        self._give_back(self._in_call)
        self._in_call = ()
        for waiter in self._queue.values():
            if not waiter.granted.done():
                waiter.granted.set_exception(own_error(error) if isinstance(error, Exception) else error)
        self._queue.clear()
        if self._grants.owes:
            poller.get_loop().call_later(OWED_SECONDS, self._start_poller)

    async def _poll(self) -> None:
        """Ask for everyone who waits, as long as anyone does: the only code that acquires."""
        while self._queue or self._grants.owes:
            self._woken = False
            await self._grants.pay()
            batch = list(islice(self._queue.values(), BATCH))
            wait_seconds = await self._ask(batch) if batch else 0.0
            if self._queue and wait_seconds and not self._woken:
                await self._rest(min(wait_seconds, MAX_NAP_SECONDS))

    async def _ask(self, batch: Sequence[_Waiter]) -> float:
        """Decide about the first waiters; return the seconds until it makes sense to ask again."""
        self._in_call = batch
        asked_at = self._clock()
        asked = (part for waiter in batch for part in (waiter.slot_id, waiter.token, int(waiter.waited)))
        answer = self._post("acquire", self._process, self._policy_json, *asked)
        if self._flowing:  # or most of it would be asked in vain, again and again
            for waiter in batch:
                if waiter.ahead is not None:
                    waiter.ahead(Grant(self._owners, waiter.slot_id, f"{waiter.token}@"))
        found = await answer
        self._in_call = ()
        now_us, wait_us, spacing_us, slowness, paused = (int(found[i]) for i in (0, 1, 3, 4, 5))
        self._flowing = wait_us == 0
        for waiter, at in zip(batch, found[6:], strict=True):
            if int(at):
                self._deliver(waiter, int(at), asked_at, ahead=max(0, int(at) - now_us) / 1e6)
            else:
                waiter.waited = True
        if slowness == 0:
            self._reward_due = math.inf
        elif slowness > 1 or self._reward_due == math.inf:
            self._reward_due = -math.inf
        if wait_us:
            self._turn_away(wait_us / 1e6, spacing_us / 1e6, _text(found[2]), paused=bool(paused))
        return wait_us / 1e6

    def _deliver(self, waiter: _Waiter, at_us: int, asked_at: float, *, ahead: float) -> None:
        self._queue.pop(waiter.token, None)
        if waiter.granted.done():
            self._give_back([waiter])
            return
        self._grants.hold(waiter.slot_id, waiter.token)
        # The call was decided between asking and now: the permit ages from the first and is used after the second.
        permit = Permit(waiter.slot_id, asked_at + ahead, at_us, PERMIT_SECONDS, self._clock)
        waiter.granted.set_result((permit, self._clock() + ahead if ahead else asked_at))

    def _turn_away(self, wait_seconds: float, spacing_seconds: float, reason: str, *, paused: bool) -> None:
        """Send away those whose turn cannot come in time: the first waits `wait_seconds`, each further one longer."""
        now = self._clock()
        longest = self._max_pause_seconds if paused else self._max_wait_seconds
        for position, waiter in enumerate(list(self._queue.values())):
            eta = wait_seconds + position * spacing_seconds
            if now - waiter.since + eta > longest:
                del self._queue[waiter.token]
                if not waiter.granted.done():
                    retry_after = max(eta, min(TURNED_AWAY_SECONDS, longest))
                    waiter.granted.set_exception(PausedError(retry_after, reason, paused=paused))

    async def _rest(self, seconds: float) -> None:
        """Sleep, unless something in this process changes what Redis would say."""
        self._nap = asyncio.get_running_loop().create_task(self._doze(seconds), name=NAP_OF + self._name)
        try:
            await asyncio.wait((self._nap,))
        finally:
            self._nap.cancel()
            self._nap = None

    async def _doze(self, seconds: float) -> None:
        await self._sleep(seconds)

    def _wake(self) -> None:
        self._woken = True
        if self._nap is not None:
            self._nap.cancel()


def _text(found: str | bytes) -> str:
    """Read a string whether or not the client decodes."""
    return found.decode() if isinstance(found, bytes) else found
