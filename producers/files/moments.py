"""Moments as files write them: as UTC milliseconds, or refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

#: Formats with a name; any other is one of strptime.
_NAMED: Final = frozenset({"iso", "unix-s", "unix-ms"})
_SECONDS: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_MILLISECONDS: Final = re.compile(r"[0-9]{1,15}")
_HOUR: Final = re.compile(r"%[HITXcfs]")
#: A date alone would make all bookings of one part on one day the same event.
_NEEDS_TIME: Final = "has no time of day, so two events of one day would be one; leave the timestamp out"


class MomentError(ValueError):
    """A text is no moment in the format; the message says why and what to do."""


def check_format(text: str) -> str:
    """Refuse a format that tells no time of day, or that strptime does not know."""
    if text in _NAMED:
        return text
    if "%" not in text:
        raise ValueError("give iso, unix-s, unix-ms, or a strptime format as %d.%m.%Y %H:%M:%S")
    if _HOUR.search(text) is None:
        raise ValueError(_NEEDS_TIME)
    try:
        now = datetime(2026, 3, 4, 15, 16, 17, tzinfo=UTC)
        read = datetime.strptime(now.strftime(text), text)  # noqa: DTZ007  only whether it can be read
    except ValueError as error:
        raise ValueError(f"not a strptime format: {error}") from None
    if (read.year, read.month, read.day) != (now.year, now.month, now.day):
        raise ValueError("does not tell year, month and day")
    return text


def check_zone(name: str) -> str:
    """Refuse a time zone that this machine does not know."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no time zone; give a name as Europe/Berlin or UTC") from None
    return name


def parse_moment(text: str, form: str, zone: str) -> int:
    """Read a moment as UTC milliseconds; raises MomentError.

    Where clocks are turned back, the earlier of the two moments is taken.
    """
    text = text.strip()
    if form == "unix-ms" and _MILLISECONDS.fullmatch(text):
        return int(text)
    if form == "unix-s" and _SECONDS.fullmatch(text):
        return int(Decimal(text) * 1000)
    if form.startswith("unix"):
        raise MomentError(f"not a number of {'milli' if form == 'unix-ms' else ''}seconds since 1970")
    try:
        found = _iso(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007  zoned below
    except MomentError:
        raise
    except ValueError:
        raise MomentError(f"not a moment in the form {form}; correct it, or the feed's timestamp.format") from None
    return _milliseconds(found, ZoneInfo(zone))


def _iso(text: str) -> datetime:
    if len(text) > len("2026-11-21T13:05:00.123456+01:00") or not text.isascii():
        raise ValueError(text[:1])
    found = datetime.fromisoformat(text)
    if ":" not in text and "T" not in text:
        raise MomentError(_NEEDS_TIME)
    return found


def _milliseconds(found: datetime, zone: ZoneInfo) -> int:
    try:
        if found.tzinfo is None:
            found = found.replace(tzinfo=zone)
            if found.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != found.replace(tzinfo=None):
                raise MomentError(f"does not exist in {zone.key}: the clocks were put forward; correct it")
        # whole numbers: a float of seconds would round
        since = found.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    except OverflowError:
        raise MomentError("out of range; correct it") from None
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
