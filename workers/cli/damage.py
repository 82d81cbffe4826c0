"""A command whose record cannot be read, for a person who decides about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.cli.screen import DAMAGED, Screen, print_json, state_name
from workers.cli.story import tell_evidence

if TYPE_CHECKING:
    from tasks.records import DamagedRecord
    from workers.cli.relay import Relay


async def print_damaged(relay: Relay, record: DamagedRecord, *, in_json: bool) -> None:
    """Print what is wrong with the record, and all that is there, as it is kept."""
    evidence = await relay.ledger(record.vendor).evidence(record.key)
    if in_json:
        shown = {"key": record.key, "vendor": record.vendor, "state": DAMAGED, "reason": record.problem}
        print_json({**shown, "fields": dict(record.fields), "evidence": evidence})
        return
    screen = Screen()
    screen.title(f"{record.key}  ", state_name(None))
    screen.facts([("what is wrong", record.problem), ("vendor", record.vendor)])
    screen.title("Kept" if record.fields else "Kept: nothing that can be read")
    screen.facts(sorted(record.fields.items()))
    tell_evidence(evidence, screen)
