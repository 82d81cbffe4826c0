"""The encoding of a text file: its byte order mark, else strict UTF-8, else the feed's code page; never a guess."""

from __future__ import annotations

import codecs
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from producers.files.rows import FileProblem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK_BYTES: Final = 1 << 16
#: They say text is anything, or run as a small language of their own.
_NO_FILE_HAS: Final = frozenset({"utf-7", "idna", "punycode", "unicode_escape", "raw-unicode-escape", "undefined"})


def checked_encoding(name: str) -> str:
    """Give the usual name of a text encoding; ValueError for anything else."""
    try:
        found = codecs.lookup(name)
        is_text = found.name.replace("_", "-") not in {each.replace("_", "-") for each in _NO_FILE_HAS}
        "a".encode(name)
    except (LookupError, TypeError, ValueError, UnicodeError):
        is_text = False
    if not is_text:
        raise ValueError(f"{name[:40]} is no encoding of text files; give one as utf-8, cp1252, iso8859-2 or utf-16-le")
    return found.name


def find_encoding(path: Path, declared: str) -> str:
    """Tell how to decode a file; reads it once. Raises FileProblem where the rule gives no answer.

    `declared` is the feed's code page, for what is neither marked nor UTF-8.
    """
    try:
        with path.open("rb") as file:
            mark = next((name for mark, name in _MARKS if file.peek(4).startswith(mark)), None)
            if mark is not None:
                return mark
            if declared.startswith(("utf-16", "utf-32")):
                return declared
            return "utf-8" if _is_utf8(file) else declared
    except OSError as error:
        raise FileProblem(f"cannot be read: {error.strerror}") from error


def _is_utf8(file: object) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    nuls = total = 0
    try:
        while chunk := file.read(_CHUNK_BYTES):  # type: ignore[attr-defined]
            decoder.decode(chunk)
            nuls += chunk.count(0)
            total += len(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    # plain letters in UTF-16 have one NUL each
    if total and nuls * 4 > total:
        raise FileProblem('every other byte is NUL: UTF-16 without a byte order mark? declare encoding = "utf-16-le"')
    return True


@contextmanager
def opened_text(path: Path, encoding: str) -> Iterator[TextIO]:
    """Open a text file with its line ends kept; raises FileProblem for what the encoding does not allow."""
    try:
        with path.open(encoding=encoding, newline="") as file:
            yield file
    except UnicodeError as error:
        where = f" at byte {error.start} of a block" if isinstance(error, UnicodeDecodeError) else ""
        raise FileProblem(f"not {encoding} text{where}; declare the feed's encoding, or send UTF-8") from error
    except OSError as error:
        raise FileProblem(f"cannot be read: {error.strerror}") from error
