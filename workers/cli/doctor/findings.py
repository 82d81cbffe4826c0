"""What an examination finds, and how checks run: side by side, each with a deadline, none able to stop another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

#: A vendor's slowest good answer, and a wait for its rate before that.
CHECK_SECONDS: Final = 20.0


class Severity(StrEnum):
    """How bad it is."""

    OK = "ok"
    #: It runs, and a person should know.
    WARNING = "warning"
    #: It does not do what is promised, or not at all.
    WRONG = "wrong"
    UNCHECKED = "could not be checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. Its texts are our own words: no answer, no setting's value that may be a secret."""

    severity: Severity
    #: What it is about, in a word or two: a vendor, a setting.
    about: str
    found: str
    #: Empty where there is nothing to do.
    advice: str = ""

    def public(self) -> dict[str, str]:
        """Give it ready for JSON."""
        return {"severity": self.severity.value, "about": self.about, "found": self.found, "advice": self.advice}


Check = Callable[[], Awaitable[Sequence[Finding]]]


def good(about: str, found: str) -> Finding:
    """Make a finding of what is as it should be."""
    return Finding(Severity.OK, about, found)


def warning(about: str, found: str, advice: str) -> Finding:
    """Make a finding of what a person should know."""
    return Finding(Severity.WARNING, about, found, advice)


def wrong(about: str, found: str, advice: str) -> Finding:
    """Make a finding of what must be put right."""
    return Finding(Severity.WRONG, about, found, advice)


def unchecked(about: str, found: str, advice: str = "") -> Finding:
    """Make a finding of what could not be looked at."""
    return Finding(Severity.UNCHECKED, about, found, advice)


async def examine(checks: Mapping[str, Check], seconds: float = CHECK_SECONDS) -> list[Finding]:
    """Run the checks, each by its name, and give what they found, in their order."""
    found = await asyncio.gather(*(_guarded(about, check, seconds) for about, check in checks.items()))
    return [finding for findings in found for finding in findings]


async def _guarded(about: str, check: Check, seconds: float) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(seconds):
            return await check()
    except TimeoutError:
        return [unchecked(about, f"no answer within {seconds:g} s", "look at the network between here and there")]
    except Exception as error:  # noqa: BLE001  whatever it is, the other checks are still wanted
        # its text may quote what must not be shown
        return [unchecked(about, f"the check itself failed ({type(error).__name__})", "report this")]


async def in_thread(function: Callable[[], T]) -> T:
    """Run what may block on a disk. A thread that never comes back does not keep the program from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(result: Any, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def run() -> None:
        try:
            result, error = function(), None
        except Exception as raised:  # noqa: BLE001  the one who waits for it gets it
            result, error = None, raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=run, daemon=True).start()
    return await done
