"""The judgement: every accepted command against the vendor's own books and what the ledger says of it."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from tasks.effects import Effect
from tests.checker.attempts import spent_in_pauses
from tests.checker.effects import ABSOLUTE, VendorEffects, keeps_marker
from tests.checker.verdict import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.checker.evidence import Entry, Evidence, Expected, Json, VendorBooks

#: Of the commands that write, this share must have come to the vendor, or the run shows nothing.
LEAST_REACHED: Final = 0.8
#: What the ledger says of a command that nobody has to decide any more.
UNDONE: Final = ("rejected", "cancelled")
ENDED: Final = ("applied", "held", *UNDONE)


def judge(evidence: Evidence, *, must_fire: bool) -> Verdict:
    """Compare what was asked for with what is there.

    `must_fire` makes it a wrong that there are no commands, or that a class of faults never fired.

    Raises ValueError when two commands could not be told apart at the vendor: then nothing can be judged.
    """
    _check_fingerprints(evidence.expected)
    judging = _Judging(evidence)
    for command in sorted(evidence.expected, key=lambda command: (command.vendor, command.place)):
        judging.judge_command(command)
    judging.judge_repeats()
    judging.judge_order()
    judging.judge_unclaimed()
    judging.judge_reach()
    judging.judge_ledgers()
    if must_fire and not evidence.expected:
        judging.verdict.trivial.append(Finding("all vendors", "nothing was asked for"))
    for books in evidence.books.values():
        judging.judge_limits(books)
        judging.judge_faults(books, must_fire=must_fire)
    return judging.verdict


def _check_fingerprints(expected: Iterable[Expected]) -> None:
    known: dict[tuple[str, str, str], Expected] = {}
    for command in expected:
        if not command.fingerprint:
            if command.effect is not Effect.EXPAND:
                raise ValueError(f"{command}: fingerprint: is empty; name what its effect at {command.vendor} carries")
            continue
        other = known.setdefault((command.vendor, command.subject, command.fingerprint), command)
        if other is not command:
            raise ValueError(f"{command}: fingerprint: {command.fingerprint!r} is also that of {other}")


class _Judging:
    """One judgement on its way."""

    def __init__(self, evidence: Evidence) -> None:
        self.verdict = Verdict()
        self._evidence = evidence
        self._effects = {vendor: VendorEffects(books.journal) for vendor, books in evidence.books.items()}
        self._entries: dict[str, Entry] = {
            entry.key: entry for told in evidence.told.values() for entry in told.entries
        }
        #: By key, the command's own effects.
        self._found: dict[str, list[Json]] = {}

    # one command

    def judge_command(self, command: Expected) -> None:
        """Count the command and compare its state with its effects."""
        entry = self._entries.get(command.key)
        state = "unknown" if entry is None else entry.state
        self.verdict.commands[command.vendor, state] += 1
        effects = self._effects[command.vendor].claim(command) if command.fingerprint else []
        self._found[command.key] = effects
        self._compare_pieces(command, effects)
        if entry is None:
            self._note("lost", command, "is in no ledger")
        elif state not in ENDED:
            self._note("lost", command, f"did not end: it is {state}" + (f", {entry.reason}" if entry.reason else ""))
        elif state == "applied" and not self._is_done(command, effects):
            self._note("lost", command, "is applied, and the vendor has no trace of it")
        elif state in UNDONE and effects:
            self._note("wrong_state", command, f"is {state}, and the vendor has its effect")
        elif entry is not None and state == "held":
            self._judge_held(command, entry, effects)

    def _compare_pieces(self, command: Expected, effects: list[Json]) -> None:
        for effect in effects if command.legs else ():
            legs = tuple(sorted((leg["storage_id"] or "", leg["quantity"]) for leg in effect["legs"]))
            if legs != command.legs:
                self._note("unexpected", command, f"booked {legs} instead of {command.legs}")

    def _is_done(self, command: Expected, effects: list[Json]) -> bool:
        if command.effect is Effect.EXPAND:
            read = self._effects.get(command.vendor)
            return not command.subject or (read is not None and read.was_read(command.subject))
        by_anybody = command.effect is not Effect.RELATIVE
        return bool(effects) or (by_anybody and self._effects[command.vendor].done_by_others(command))

    def _judge_held(self, command: Expected, entry: Entry, effects: list[Json]) -> None:
        self.verdict.held[command.vendor, re.sub(r"\d+", "n", entry.reason)] += 1
        if not entry.reason.strip():
            self._note("wrong_state", command, "is held, and nobody is told why")
        if command.effect is Effect.EXPAND:
            return
        foreign = self._effects[command.vendor].foreign_on(command.subject)
        if len(effects) == 1 and (command.effect is not Effect.RELATIVE or keeps_marker(effects[0])):
            self._note("decidable", command, f"is held ({entry.reason}), and the vendor shows its effect")
        elif not effects and not foreign:
            self._note("decidable", command, f"is held ({entry.reason}), and nobody wrote anything there")

    # several

    def judge_repeats(self) -> None:
        """Look for commands with more than one effect."""
        for command in self._evidence.expected:
            effects = self._found[command.key]
            own = [each for each in effects if not self._effects[command.vendor].by_vendor_itself(each, effects)]
            if len(own) < len(effects):
                self._note("vendors_own", command, "was committed twice out of one request")
            if len(own) < 2:  # once is right, and never was judged by its state
                continue
            if command.effect not in ABSOLUTE:
                self._note("doubled", command, f"has {len(own)} effects at the vendor")
            elif newer := self._overwritten(command, own):
                self._note("out_of_order", command, f"was written again over the newer {', '.join(sorted(newer))}")
            else:
                self._note("repeated", command, f"was written {len(own)} times")

    def _overwritten(self, command: Expected, own: list[Json]) -> set[str]:
        first, last = own[0]["seq"], own[-1]["seq"]
        between = [self._effects[command.vendor].claimed_between(each, first, last) for each in own[0]["subjects"]]
        return set().union(*between) - {command.key}

    def judge_order(self) -> None:
        """In each lane the first effects must come in the order in which the commands were accepted."""
        lanes: dict[tuple[str, str], list[Expected]] = defaultdict(list)
        for command in sorted(self._evidence.expected, key=lambda command: command.place):
            if self._found[command.key]:
                for lane in command.lanes:
                    lanes[command.vendor, lane].append(command)
        for (_, lane), commands in lanes.items():
            for before, behind in itertools.pairwise(commands):
                if self._found[before.key][0]["seq"] > self._found[behind.key][0]["seq"]:
                    self._note("out_of_order", behind, f"came before {before} in {lane}")

    def judge_unclaimed(self) -> None:
        """What is ours at a vendor, or in a ledger, must belong to a command that somebody asked for."""
        for vendor, effects in self._effects.items():
            for effect in effects.unclaimed():
                what = f"{effect['operation']} of {', '.join(effect['subjects'])} {effect['marker'] or ''}".rstrip()
                self.verdict.unexpected.append(Finding(vendor, f"effect {effect['seq']}: {what}"))
        asked = {command.key for command in self._evidence.expected}
        for entry in self._entries.values():
            if entry.key not in asked:
                self.verdict.unexpected.append(Finding(entry.vendor, f"nobody asked for {entry}"))

    def judge_reach(self) -> None:
        """Four of five commands that write must have come to a vendor: a run of refusals shows nothing."""
        writing: Counter[str] = Counter()
        reached: Counter[str] = Counter()
        for command in self._evidence.expected:
            if command.effect is Effect.EXPAND:
                continue
            writing[command.vendor] += 1
            came = self._found[command.key] or self._effects[command.vendor].was_requested(command)
            reached[command.vendor] += bool(came)
        for vendor, count in writing.items():
            if reached[vendor] < LEAST_REACHED * count:
                few = f"only {reached[vendor]} of {count} commands reached the vendor"
                self.verdict.trivial.append(Finding(vendor, few))

    # the books themselves

    def judge_ledgers(self) -> None:
        """No attempt may be spent while a vendor is closed."""
        for vendor, told in self._evidence.told.items():
            self.verdict.spent_on_429 += [Finding(vendor, what) for what in spent_in_pauses(told)]

    def judge_limits(self, books: VendorBooks) -> None:
        """Take the vendor's own count of what broke its limits."""
        for item in books.limits["violations"]:
            wrongs = self.verdict.over_concurrency if "concurrency" in item["rule"] else self.verdict.over_rate
            wrongs.append(Finding(books.vendor, f"{item['rule']} at request {item['request_seq']}"))
        self.verdict.requests[books.vendor] += len(books.journal["requests"])
        self.verdict.effects[books.vendor] += sum(not effect["foreign"] for effect in books.journal["effects"])

    def judge_faults(self, books: VendorBooks, *, must_fire: bool) -> None:
        """Count how often each class of faults fired; once at least."""
        for fault in books.faults:
            self.verdict.fired[books.vendor, fault["kind"]] += fault["fired"]
        if not must_fire:
            return
        for kind in dict.fromkeys(fault["kind"] for fault in books.faults):
            if not self.verdict.fired[books.vendor, kind]:
                self.verdict.trivial.append(Finding(books.vendor, f"{kind} never fired"))

    def _note(self, name: str, command: Expected, what: str) -> None:
        getattr(self.verdict, name).append(Finding(command.vendor, f"{command} {what}"))
