"""Foreign words made fit to be shown and kept."""

from __future__ import annotations


def plain(text: str) -> str:
    """Escape what a terminal would obey or hide, and what no file or database takes as text: lone surrogates."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
