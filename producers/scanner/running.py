"""One run of a station: scans, deliveries and the clock side by side, and an end in good order."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from producers.delivery import Delivery
from producers.outbox import OutboxError, OutboxState
from producers.scanner.inputs import DeviceNews, scans_from
from producers.scanner.screen import status_text
from producers.scanner.sounds import Sound, sound_of, sound_of_news

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.outbox import Outbox, Stored
    from producers.scanner.receiver import Receiver
    from producers.scanner.screen import Screen
    from producers.scanner.sounds import Sounds
    from producers.scanner.station import Feedback, Station

#: A supervisor kills after ten seconds.
STOP_SECONDS: Final = 8.0
#: Often enough for a drop of an entry after two minutes and for the status line.
TICK_SECONDS: Final = 1.0
#: What an interrupted run left is listed one by one up to here.
LISTED_AT_START: Final = 20


class Running:
    """Runs a station until its inputs end or `stop` is called; then it goes on delivering for a while."""

    def __init__(
        self,
        station: Station,
        outbox: Outbox,
        receiver: Receiver,
        screen: Screen,
        sounds: Sounds,
        *,
        results_seconds: float,
    ) -> None:
        self._station = station
        self._outbox = outbox
        self._screen = screen
        self._sounds = sounds
        self._delivery = Delivery(outbox, receiver, self._news, results_seconds=results_seconds, stream=receiver)
        self._scanning: asyncio.Task[None] | None = None
        self._stops = 0
        self._hurry = asyncio.Event()

    @property
    def refused(self) -> int:
        """How many commands the relay refused in this run."""
        return self._delivery.refused

    def stop(self) -> None:
        """Take no more scans, deliver what can be delivered within 8 seconds and end; the second time: end at once."""
        self._stops += 1
        if self._scanning is not None:
            self._scanning.cancel()
        if self._stops > 1:
            self._hurry.set()

    async def until_the_end(self, sources: Sequence[str], drain_seconds: float) -> None:
        """Run. InputError when an input cannot be used."""
        self._greet()
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(self._delivery.deliver()), group.create_task(self._delivery.follow())]
            background.append(group.create_task(self._tick()))
            self._scanning = group.create_task(self._scan(sources))
            # What fails beside it ends the group, and this wait with it.
            await asyncio.wait([self._scanning])
            await self._drain(min(drain_seconds, STOP_SECONDS) if self._stops else drain_seconds)
            for task in background:
                task.cancel()

    def _greet(self) -> None:
        """Show what an interrupted run left: its last entry may have been stored without its feedback being seen."""
        if self._outbox.damaged is not None:
            self._screen.note(str(self._outbox.damaged))
            self._sounds.play(Sound.LATE)
        waiting = self._outbox.count_undelivered()
        for stored in self._outbox.rows(OutboxState.STORED, limit=LISTED_AT_START):
            self._screen.news(stored, None, "from before this start")
        if waiting > LISTED_AT_START:
            self._screen.note(f"and {waiting - LISTED_AT_START} more from before this start")
        latest = self._outbox.latest()
        if latest is not None:
            self._screen.note(f"last stored before this start: {latest.summary} [{latest.key}]")
        self._show(self._station.greet())
        for feedback in self._station.settle_all():
            self._show(feedback)

    async def _scan(self, sources: Sequence[str]) -> None:
        async with contextlib.aclosing(scans_from(sources)) as arrivals:
            async for arrival in arrivals:
                if isinstance(arrival, DeviceNews):
                    self._device_news(arrival)
                    continue
                await self._station.prepare(arrival.raw)
                self._show(self._station.scan(arrival.raw, arrival.device, arrival.at_ms))
                # A long file piped in must not keep the deliveries waiting.
                await asyncio.sleep(0)

    def _device_news(self, arrival: DeviceNews) -> None:
        reason = f" ({arrival.reason})" if arrival.reason else ""
        self._screen.note(f"{arrival.device}: {arrival.news}{reason}")

    async def _tick(self) -> None:
        while True:
            feedback = self._station.tick()
            if feedback is not None:
                self._show(feedback)
            with contextlib.suppress(OutboxError):  # the next scan says what is wrong with the disk
                self._screen.status(status_text(self._outbox.count_undelivered(), self._delivery.trouble))
            await asyncio.sleep(TICK_SECONDS)

    async def _drain(self, seconds: float) -> None:
        finishing = asyncio.create_task(self._delivery.finish())
        hurrying = asyncio.create_task(self._hurry.wait())
        await asyncio.wait([finishing, hurrying], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in (finishing, hurrying):
            task.cancel()

    def _show(self, feedback: Feedback) -> None:
        self._screen.feedback(feedback)
        self._sounds.play(sound_of(feedback.tone))
        if feedback.key is not None:
            self._delivery.wake()

    def _news(self, stored: Stored, state: OutboxState | None, reason: str) -> None:
        self._screen.news(stored, state, reason)
        self._sounds.play(sound_of_news(state))
        # What cannot be noted now is settled at the next start.
        with contextlib.suppress(OutboxError):
            feedback = self._station.settle(stored.key)
            if feedback is not None:
                self._show(feedback)
