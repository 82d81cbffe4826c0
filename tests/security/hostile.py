"""What strangers may send, as strategies: any JSON, nearly good JSON, texts that break terminals, keys and decoders."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Texts that some decoder, key, terminal or spreadsheet takes for more than text.
NASTY: Final = (
    "", " ", "\0", "\r\n", "\x1b[2J", "\u202e", "\ud800", "\U0010ffff", "\u0661", "a" * 70_000, "{}",
    "sr:{partsbox}:cmd:x", "*", "../../x", "=1+1", "<script>", "%00", "1e999", "-0", "NaN", "9" * 5_000, "null",
    "\\u0000", "'", '"', ":", "[cmd:",
)  # fmt: skip
texts: Final = st.sampled_from(NASTY) | st.text(max_size=30)
numbers: Final = st.integers() | st.floats() | st.sampled_from([2**63, -(2**63), 10**400, 1e308])
json_values: Final = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def _places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [way]
    if isinstance(value, dict):
        found += [place for name, item in value.items() for place in _places(item, (*way, name))]
    if isinstance(value, list):
        found += [place for number, item in enumerate(value) for place in _places(item, (*way, number))]
    return found


@st.composite
def nearly(draw: st.DrawFn, samples: Sequence[Any]) -> Any:
    """One of the samples with one to three values anywhere in it replaced, left out or doubled."""
    value = copy.deepcopy(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 3))):
        way = draw(st.sampled_from(_places(value)))
        if not way:
            continue
        holder = value
        for step in way[:-1]:
            holder = holder[step]
        match draw(st.integers(0, 3)):
            case 0:
                del holder[way[-1]]
            case 1 if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[way[-1]]))
            case 2 if isinstance(holder, dict):
                holder[draw(texts)] = draw(json_values)
            case _:
                holder[way[-1]] = draw(json_values)
    return value


def as_json(value: Any) -> bytes:
    """Write JSON that a stranger may send: half surrogates escaped, NaN and Infinity as Python has them."""
    return json.dumps(value).encode()


@st.composite
def damaged(draw: st.DrawFn, samples: Sequence[bytes]) -> bytes:
    """One of the samples with a few bytes changed, lost, put in or doubled."""
    content = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from([1, 2, 8, 64])))
        match draw(st.integers(0, 3)):
            case 0:
                del content[start:end]
            case 1:
                content[start:start] = draw(
                    st.binary(max_size=8) | texts.map(lambda text: text.encode("utf-8", "replace"))
                )
            case 2:
                content[start:start] = content[start:end]
            case _:
                content[start:end] = content[start:end][::-1]
    return bytes(content)


def refusal(error: type[Exception], call: Callable[[], object]) -> str:
    """Call, and give the words of the refusal of this kind; nothing when it was none. Any other error comes through."""
    try:
        call()
    except error as refused:
        return str(refused)
    return ""
