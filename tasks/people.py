"""What people say about their decisions: who they are, and why."""

from __future__ import annotations

from typing import Final

#: A name and a reason together are the reason of a pause, of which the limiter keeps 200 characters.
MAX_NAME: Final = 64
MAX_REASON: Final = 120


def person_name(text: str) -> str:
    """Give a person's name, trimmed; raises ValueError saying what is wrong with it."""
    return _words(text, MAX_NAME)


def reason_words(text: str) -> str:
    """Give a person's reason, trimmed; raises ValueError saying what is wrong with it."""
    return _words(text, MAX_REASON)


def _words(text: str, longest: int) -> str:
    words = text.strip()
    if not words:
        raise ValueError("is empty")
    if not words.isprintable():
        raise ValueError("has control characters; give one line of plain text")
    if len(words) > longest:
        raise ValueError(f"is longer than {longest} characters")
    return words
