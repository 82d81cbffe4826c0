"""Sets off bombs in a process of its own, which may die of them: `python -m tests.security.bombs FOLDER`.

Prints one line of JSON for each: what came of it. The caller limits processor time and memory.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from producers.files.formats import open_rows
from producers.files.rows import FileProblem, Row
from tests.unit.file_harness import make_feed
from tests.unit.test_file_nested import JSON, XML
from workers.vendors.evidence import Scrubber

if TYPE_CHECKING:
    from collections.abc import Mapping

    from producers.files.feeds import Feed

#: Under the limit of a feed's files; what is read again with every piece of it takes minutes.
LONG: Final = 48_000_000
_ROW: Final = b'[{"quantity": 5, "note": "a"}, {"quantity": '
#: What stands in front of and behind so many of the bytes between.
FILES: Final[Mapping[str, tuple[Feed, bytes, bytes, bytes, int]]] = {
    "a number that ends the process": (JSON, _ROW, b"9", b"}]", 400_000),
    "a number of megabytes": (JSON, _ROW, b"9", b"}]", LONG),
    "a fraction of megabytes": (JSON, _ROW + b"0.", b"9", b"}]", LONG),
    "an exponent that nothing has": (JSON, _ROW + b"1e", b"9", b"}]", 30),
    "a text of megabytes": (JSON, _ROW + b'"', b"a", b'"}]', LONG),
    "a name of megabytes": (JSON, b'[{"', b"a", b'": 1}]', LONG),
    "blanks of megabytes": (JSON, _ROW, b" ", b"1}]", LONG),
    "lists without an end": (JSON, _ROW, b"[", b"", 400_000),
    "an attribute of megabytes": (XML, b'<Order><Line a="', b"a", b'"/></Order>', LONG),
    "a comment of megabytes": (XML, b"<Order><!--", b"a", b"--></Order>", LONG),
    "a tag without an end": (XML, b"<Order><", b"a", b"", LONG),
    "a line of megabytes": (make_feed(), b"quantity,note\n5,", b"a", b"", LONG),
    "a quote without an end": (make_feed(), b'quantity,note\n5,"', b"a\n", b"", 4_000_000),
}


def opened(folder: Path, name: str) -> str:
    """Read a file to its end, or to what is wrong with it."""
    feed, before, unit, after, count = FILES[name]
    path = folder / "bomb"
    path.write_bytes(before + unit * count + after)
    try:
        rows = sum(isinstance(row, Row) for row in open_rows(path, feed))
    except FileProblem as problem:
        return f"refused: {problem}"
    return f"{rows} rows"


def answered() -> str:
    """Make evidence of an answer whose every text is one long word, cut in the middle."""
    word = "a" * 8_191 + "!" + "b" * 100
    kept = Scrubber(["invented-secret-0001"], "(?!)").answer(b"", [word] * 300)
    return f"{len(json.dumps(kept)) // 1024} KiB of evidence"


if __name__ == "__main__":
    for each in FILES:
        print(json.dumps([each, opened(Path(sys.argv[1]), each)]), flush=True)
    print(json.dumps(["a vendor's answer of long words", answered()]), flush=True)
