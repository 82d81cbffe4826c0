"""What is kept of a request and its answer as evidence: without secrets, and short."""

from __future__ import annotations

import json
import math
import re
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Of one text kept as evidence: enough for any error body, small enough to keep with every command.
MAX_EVIDENCE_BYTES: Final = 2 * 1024
#: Looked at to make that text; what lies behind it can only be cut away.
_EVIDENCE_SOURCE_CHARS: Final = 4 * MAX_EVIDENCE_BYTES
#: Values kept of one JSON tree, and so its depth: bounds the work that a hostile answer can cause.
_EVIDENCE_VALUES: Final = 200
#: Names of fields that are remembered: of all documents together, and a bound for an answer that invents some.
_NAMES_KEPT: Final = 1000
#: Secrets that were issued to us while we run: the one in force, and a few before it that a late answer may echo.
_LEARNED: Final = 4

REMOVED: Final = "[removed]"
_SECRET_NAME: Final = re.compile(r"(?i)authori[sz]ation|authentication|(?:api|app)[-_ ]?key|token|password|secret")
_SECRET_TEXT: Final = re.compile(
    r"(?i)(?:authorization|authentication)\b[\"']?\s*[:=]\s*[\"']?[^\r\n\"']+"
    r"|\b(?:apikey|bearer|basic)\s+(?=\S*\d)[\w.~+/=-]{8,}"
    r"|(?<![\w+/=-])(?=[\w+/=-]*\d)(?=[\w+/=-]*[a-z])[\w+/=-]{40,}"
)
#: What is left of a secret that was cut in two, read from its end.
_OF_A_WORD: Final = re.compile(r"[\w+/=.@%-]*")


class Scrubber:
    """Makes evidence of requests and answers: without secrets, and short."""

    def __init__(self, secret_values: Iterable[str], pattern: str) -> None:
        words = {word for value in secret_values for word in (value, *value.split()[1:])}
        self._given = {form for word in words for form in spellings(word)}
        self._learned: deque[str] = deque(maxlen=_LEARNED)
        self._hidden: set[str] = set()
        self._pattern = re.compile(pattern)
        self._recompile()

    def _recompile(self) -> None:
        # longest first: the whole header before the words in it
        learned = {form for secret in self._learned for form in spellings(secret)}
        certain = sorted(self._given | learned, key=len, reverse=True)
        self._certain = re.compile("|".join([*map(re.escape, certain), self._pattern.pattern]))
        self._known = sorted({*certain, *self._hidden}, key=len, reverse=True)
        self._names: dict[str, tuple[str, bool]] = {}

    def learn(self, secret: str) -> None:
        """Take one more secret out of everything from now on, as one given at the start; the last few are kept."""
        if secret not in self._learned:
            self._learned.append(secret)
            self._recompile()

    def hide(self, words: str) -> None:
        """Keep these words out of evidence and messages from now on, in every spelling.

        They stay in what is read: a short password or somebody's name may be a part of something else there.
        """
        self._hidden |= spellings(words)
        self._recompile()

    def text(self, text: str) -> str:
        """Take the secrets out, then cut to `MAX_EVIDENCE_BYTES` of UTF-8."""
        if len(text) > _EVIDENCE_SOURCE_CHARS:  # a secret cut in two would not be recognised: drop its rest
            text = _without_last_word(text[:_EVIDENCE_SOURCE_CHARS])
        for word in self._known:
            text = text.replace(word, REMOVED)
        encoded = _SECRET_TEXT.sub(REMOVED, self._pattern.sub(REMOVED, text)).encode("utf-8", "replace")
        if len(encoded) <= MAX_EVIDENCE_BYTES:
            return encoded.decode()
        return encoded[: MAX_EVIDENCE_BYTES - 3].decode("utf-8", "ignore") + "…"

    def is_clean(self, raw: bytes | None) -> bool:
        """Tell of an answer's bytes that `whole` would surely leave what they mean as it is; false where in doubt."""
        # what is escaped, or in another encoding than UTF-8, may read differently
        if raw is None or b"\\" in raw or b"\0" in raw:
            return False
        return self._certain.search(raw.decode("utf-8", "replace")) is None

    def whole(self, value: Any) -> Any:
        """Take only certain secrets out of a JSON value's keys and texts: the configured ones, and the vendor's keys.

        Nothing is cut and nothing guessed at, so that what was read can still be compared. RecursionError when deep.
        """
        if isinstance(value, str):
            return self._certain.sub(REMOVED, value)
        if isinstance(value, list):
            return [self.whole(item) for item in value]
        if isinstance(value, dict):
            return {self._certain.sub(REMOVED, name): self.whole(item) for name, item in value.items()}
        return value

    def tree(self, value: Any) -> Any:
        """Do the same to every key and text of a JSON value; keep the first few hundred values of it."""
        left = _EVIDENCE_VALUES

        def walk(value: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                return "…"
            if isinstance(value, dict):
                items = islice(value.items(), left + 1)
                named = ((*self._name(name), value) for name, value in items)
                return {name: REMOVED if is_secret else walk(value) for name, is_secret, value in named}
            if isinstance(value, list):
                return [walk(item) for item in islice(value, left + 1)]
            if isinstance(value, str) or (isinstance(value, float) and not math.isfinite(value)):
                return self.text(str(value))
            return value

        return walk(value)

    def _name(self, name: str) -> tuple[str, bool]:
        """Give a name as it may be shown, and whether what it names may not: the same few come again and again."""
        found = self._names.get(name)
        if found is None:
            found = self.text(name), _SECRET_NAME.search(name) is not None
            if len(self._names) < _NAMES_KEPT:
                self._names[name] = found
        return found

    def answer(self, raw: bytes, body: Any) -> Any:
        """Keep the parsed body where it is short, else the beginning of its text."""
        if body is None:
            return self.text(raw[: 4 * _EVIDENCE_SOURCE_CHARS].replace(b"\0", b"").decode("utf-8", "replace"))
        tree = self.tree(body)
        text = json.dumps(tree, ensure_ascii=False)
        return tree if len(text.encode()) <= MAX_EVIDENCE_BYTES else self.text(text)


def _without_last_word(text: str) -> str:
    """Leave out the letters and signs at the end that a secret may have."""
    # read backwards: a search from the front tries every place of a long word, and 8,000 letters take half a second
    last = _OF_A_WORD.match(text[::-1])
    return text[: len(text) - (last.end() if last else 0)]


def spellings(words: str) -> set[str]:
    """Give the forms in which a vendor may echo words: as they are, in lower case, in an address, escaped in JSON."""
    cases = {words, words.lower()}
    return cases | {quote(case, safe="") for case in cases} | {json.dumps(case)[1:-1] for case in cases}
