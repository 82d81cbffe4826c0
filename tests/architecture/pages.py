"""What the documents hold: their fenced blocks, their links and the anchors that these may lead to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

#: A block of more backquotes or one that is indented would be missed; a test looks that there is none.
_BLOCK: Final = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED: Final = re.compile(r"^`([^`]+)`:\n\n\Z", re.MULTILINE)
_HEADING: Final = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text, where it begins, and the file that the line above it names."""

    page: str
    language: str
    text: str
    line: int
    file: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Give a page's blocks in their order."""
    text = page.read_text()
    found = []
    for match in _BLOCK.finditer(text):
        before = text[: match.start()]
        named = _NAMED.search(before)
        found.append(Block(page.name, match[1], match[2], before.count("\n") + 1, named[1] if named else ""))
    return found


def prose(page: Path) -> str:
    """Give a page's text without its blocks."""
    return _BLOCK.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """Give where a page's links and pictures lead."""
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """Give the names that headings get on the web: lower case, hyphens for blanks, no other signs."""
    headings = _HEADING.findall(prose(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
