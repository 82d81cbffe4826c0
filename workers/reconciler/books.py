"""What the ledger says of one vendor's commands, read as a whole: applied ones, open ones, and every key it knows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, cast

from tasks.effects import Effect
from tasks.ledger import prefix_of
from tasks.records import State
from tasks.registry import InvalidCommandError, parse_command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio import Redis

    from tasks.commands import Command

#: Keys looked at in one call: about a millisecond of the server's time.
_PAGE_KEYS: Final = 50
#: Stand in the place of a state.
_FORGOTTEN, _NO_HASH = "-", "!"
#: start of the names; since when, keys -> state, as JSON what is compared of it or "", and when accepted, of each.
#: One text a command: a client in Python takes a millisecond for the thirty values of a whole record.
_PAGE: Final = """
local open = {waiting = 1, ready = 1, sending = 1, delayed = 1, in_doubt = 1, held = 1}
local said, since = {}, tonumber(ARGV[1])
for i = 2, #ARGV do
  local name = KEYS[1] .. ARGV[i]
  local found = redis.pcall('HMGET', name, 'state', 'updated_ms', 'kind', 'command', 'receipt', 'accepted_ms')
  local state, fields = '!', ''
  if not found.err then
    state = found[1] or (redis.call('EXISTS', name) == 1 and '' or '-')
    local at_ms = tonumber(found[2] or nil)
    if open[state] or (state == 'applied' and (not at_ms or at_ms >= since)) then
      fields = cjson.encode({updated_ms = found[2] or '', kind = found[3] or '', command = found[4] or '',
        receipt = found[5] or '', accepted_ms = found[6] or ''})
    end
  end
  said[#said + 1], said[#said + 2], said[#said + 3] = state, fields, not found.err and found[6] or ''
end
return said
"""


@dataclass(frozen=True, slots=True)
class Told:
    """One command as the ledger tells it, as far as it is compared: tens of thousands are held at once."""

    key: str
    command: Command
    state: State
    accepted_ms: int
    #: When the ledger last changed it; of an applied one, when it was applied.
    settled_ms: int
    #: What its receipt names at the vendor.
    entries: tuple[Mapping[str, Any], ...] = ()
    #: By what its receipt says that it landed (`tasks.lookup.Proof`).
    proof: str = ""

    @classmethod
    def of(cls, key: str, state: State, fields: Mapping[str, str]) -> Self:
        """Take it from what `_PAGE` gives.

        Raises InvalidCommandError where the command cannot be read, and ValueError or TypeError where something else
        cannot.
        """
        command = parse_command(fields["kind"], fields["command"].encode())
        receipt = json.loads(fields["receipt"] or "{}")
        if not isinstance(receipt, dict):
            raise TypeError("receipt: not an object")
        entries = receipt.get("entries")
        named = tuple(entry for entry in entries if isinstance(entry, dict)) if isinstance(entries, list) else ()
        proof = str(receipt.get("proof", ""))
        return cls(key, command, state, int(fields["accepted_ms"]), int(fields["updated_ms"]), named, proof)


@dataclass(frozen=True, slots=True)
class Books:
    """One reading of a vendor's ledger. Parents, which write nothing themselves, are left out."""

    #: Applied since the beginning of the window, in the order applied.
    applied: tuple[Told, ...]
    #: Not ended, or held: their effect may be there.
    undecided: tuple[Told, ...]
    #: Of every command that is remembered; None where its record cannot be read.
    states: Mapping[str, State | None]
    #: What cannot be read, and why, by key.
    damaged: Mapping[str, str]
    #: When the first was accepted of all that are remembered; None where nothing is.
    oldest_ms: int | None = None

    def remembers(self, at_ms: int) -> bool:
        """Tell whether a command of this moment would be known: one of before the first may be lost."""
        return self.oldest_ms is not None and self.oldest_ms <= at_ms


class _Reading:
    """One reading of a vendor's ledger, page by page."""

    def __init__(self, redis: Redis, vendor: str, since_ms: int) -> None:
        self._script = redis.register_script(_PAGE)
        self._start = prefix_of(vendor) + "cmd:"
        self._since_ms = since_ms
        self.states: dict[str, State | None] = {}
        self.damaged: dict[str, str] = {}
        self.told: dict[str, Told] = {}
        self.oldest_ms: int | None = None

    async def page(self, keys: list[str]) -> None:
        """Read the commands of these keys, as far as they are compared."""
        if not keys:
            return
        said = await self._script(keys=[self._start], args=[self._since_ms, *keys])
        for key, state, fields, accepted in zip(keys, said[::3], said[1::3], said[2::3], strict=True):
            self._take(key, state, fields)
            if accepted.isdecimal():
                self.oldest_ms = min(int(accepted), self.oldest_ms or int(accepted))

    def _take(self, key: str, state: str, fields: str) -> None:
        if state == _FORGOTTEN:
            return
        self.states[key] = _state(state)
        if self.states[key] is None:
            self.damaged[key] = "its record is not a hash" if state == _NO_HASH else "its state cannot be read"
        elif fields:
            try:
                told = Told.of(key, State(state), json.loads(fields))
            except InvalidCommandError as error:
                self.damaged[key] = str(error)
            except (ValueError, TypeError, RecursionError):
                self.damaged[key] = "its record cannot be read"
            else:
                if told.command.effect is not Effect.EXPAND:
                    self.told[key] = told


async def read_books(redis: Redis, vendor: str, since_ms: int) -> Books:
    """Read a vendor's ledger; raises Redis errors as they are."""
    reading = _Reading(redis, vendor, since_ms)
    start = prefix_of(vendor) + "cmd:"
    page: list[str] = []
    async for name in redis.scan_iter(match=start + "*", count=_PAGE_KEYS):
        page.append(cast("str", name).removeprefix(start))
        if len(page) == _PAGE_KEYS:
            await reading.page(page)
            page = []
    await reading.page(page)
    in_order = sorted(reading.told.values(), key=lambda each: (each.settled_ms, each.accepted_ms, each.key))
    return Books(
        applied=tuple(each for each in in_order if each.state is State.APPLIED),
        undecided=tuple(each for each in in_order if each.state is not State.APPLIED),
        states=reading.states,
        damaged=reading.damaged,
        oldest_ms=reading.oldest_ms,
    )


def _state(text: str | None) -> State | None:
    try:
        return State(text or "")
    except ValueError:
        return None
