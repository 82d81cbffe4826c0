"""What the world asks behind the calls of a round trip: what comes due when, and whether hints are there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tasks.envelope import queue_of
from tasks.ledger import STALE_HINT_SECONDS, prefix_of
from tasks.registry import vendors
from tests.simulation.idling import LIMITER, slots_stay_taken
from tests.simulation.link import script_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.idling import Idling

DUE: Final = Path(__file__).with_name("due.lua").read_text(encoding="utf-8")
#: Queues may hold hints: nobody who waits for one must miss it.
QUEUES: Final = tuple(queue_of(vendor) for vendor in vendors())
_STALE_MS: Final = int(STALE_HINT_SECONDS * 1000)
#: By the prefix of its keys, the vendor of a ledger.
_LEDGERS: Final = {prefix_of(vendor): vendor for vendor in vendors()}
#: Steps of a ledger after which nothing comes due earlier than before.
_NEVER_SOONER: Final = ("intent", "renew", "move_redrives")
#: Calls of a limiter that change nothing.
_ONLY_LOOKS: Final = ("paused", "snapshot")
#: In the key of a limiter's state and in that of its slots.
_STATE, _SLOTS = "state", "slots"


class Aftermath:
    """What to ask behind some commands, and what follows from the answer."""

    def __init__(self, commands: Sequence[tuple[Any, ...]], idling: Idling, *, hungry: bool) -> None:
        self._idling = idling
        steps: set[tuple[str, str]] = set()
        #: By the key of its state, whether a limiter was but asked for slots, and again.
        limiters: dict[str, bool] = {}
        self._asks_queues = False
        for command in commands:
            key = command[3] if command[0] == "EVALSHA" else ""
            if key in _LEDGERS:
                steps.add((_LEDGERS[key], command[4]))
                self._asks_queues |= hungry and command[4] not in _NEVER_SOONER
            elif key.endswith(LIMITER):
                _note(limiters, key, command)
            else:
                self._asks_queues |= hungry and command[0] != "SCRIPT LOAD"
        changed = dict.fromkeys(vendor for vendor, step in sorted(steps) if step not in _NEVER_SOONER)
        self._vendors = [vendor for vendor in changed if (vendor, "promote") in steps or idling.watches(vendor)]
        self._limiters = [key for key, again in limiters.items() if again]
        self._changed = [key for key, again in limiters.items() if not again]

    def question(self, script: str, now_us: int) -> list[bytes]:
        """Give the command to ask with, `DUE` by its name at the server; none where nothing is to be asked."""
        if not (self._asks_queues or self._vendors or self._limiters):
            return []
        queues = QUEUES if self._asks_queues else ()
        keys = (
            *(prefix_of(vendor) for vendor in self._vendors),
            *(key.removesuffix(_STATE) + _SLOTS for key in self._limiters),
            *queues,
        )
        counts = (len(self._vendors), len(self._limiters))
        return [script_call(script, keys, now_us, (_STALE_MS, *counts))]

    def learn(self, asked: Sequence[tuple[Any, ...]], found: Sequence[Any], offset_us: int) -> bool:
        """Pass on what these commands and the question were answered; tells whether a queue holds hints."""
        for key in self._changed:
            self._idling.learn(key, "0", offset_us)
        if len(found) == len(asked):
            return False
        *dues, full = found[-1]
        for vendor, due_ms in zip(self._vendors, dues, strict=False):
            self._idling.learn(vendor, due_ms, offset_us)
        told = zip(asked, found, strict=False)
        refused = {command[3] for command, answer in told if command[0] == "EVALSHA" and slots_stay_taken(answer)}
        for key, due_ms in zip(self._limiters, dues[len(self._vendors) :], strict=True):
            self._idling.learn(key, due_ms if key in refused else "0", offset_us)
        return bool(full)


def _note(limiters: dict[str, bool], key: str, command: tuple[Any, ...]) -> None:
    arguments = command[3 + int(command[2]) :]
    if arguments[0] not in _ONLY_LOOKS:
        # operation, process, policy, slot, token, "1" if it has waited already
        again = arguments[0] == "acquire" and arguments[5] == 1
        limiters[key] = limiters.get(key, True) and again
