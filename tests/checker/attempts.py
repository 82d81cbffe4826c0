"""Attempts that were spent for nothing that the command had done."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.checker.evidence import Told

#: Why a command was put off for nothing that it had done: a vendor that takes nothing, or a turn too far away.
CLOSED: Final = re.compile(r"HTTP 429|maintenance|try again in")
#: How a look-up's proof that nothing was written shows among the steps.
SENT_AGAIN: Final = "looked up: not applied"


def spent_in_pauses(told: Told) -> list[str]:
    """Name the commands with more sends than they have reasons of their own for; a closed vendor is none."""
    reasons: Counter[str] = Counter()
    for step in told.steps:
        own = step.state == "delayed" and not CLOSED.search(step.reason)
        reasons[step.key] += own or (step.state == "ready" and step.reason == SENT_AGAIN)
    return [
        f"{entry.kind} {entry.key}: {entry.attempts} attempts"
        for entry in told.entries
        if entry.attempts > 1 + reasons[entry.key]
    ]
