"""Reading JSON (RFC 8259) from strangers: bounded in depth, and nothing that two readers might take differently."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, Final, NoReturn

#: Of a value that is quoted in a message.
_SHOWN_CHARACTERS: Final = 120


def read_json(raw: bytes | str, *, max_depth: int, exact: bool = False, what: str = "the body") -> Any:
    """Read one JSON value; raises ValueError that says what is wrong with `what`.

    `exact` refuses a number with a fraction that a float does not keep digit by digit.
    """
    try:
        parsed = json.loads(
            raw if isinstance(raw, str) else raw.decode("utf-8"),
            object_pairs_hook=_unambiguous,
            parse_constant=_no_constant,
            parse_float=_exact_float if exact else _finite_float,
        )
    except UnicodeDecodeError:
        raise ValueError(f"{what} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{what} is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise ValueError(f"{what} nests deeper than {max_depth} levels") from None
    except ValueError as error:
        raise ValueError(f"{what} is not usable JSON: {error}") from None
    if _is_deeper(parsed, max_depth):
        raise ValueError(f"{what} nests deeper than {max_depth} levels")
    return parsed


def shown(value: object) -> str:
    """Quote a value of a stranger in one short line of ASCII."""
    try:
        text = json.dumps(value, default=str)
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        # Parsers disagree on which of them counts (RFC 8259 section 4).
        raise ValueError("a name occurs twice in one object")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        # Written again it would be Infinity, which is no JSON.
        raise ValueError("a number is larger than can be kept")
    return number


def _exact_float(digits: str) -> float:
    number = float(digits)
    # The shortest form of the float is what goes on; a price must not change on the way.
    try:
        is_exact = math.isfinite(number) and Decimal(repr(number)) == Decimal(digits)
    except ArithmeticError:  # an exponent that not even a Decimal has
        is_exact = False
    if not is_exact:
        raise ValueError("a number has more digits than can be kept; send it as a string")
    return number


def _is_deeper(parsed: object, levels: int) -> bool:
    """Tell whether lists and objects stand inside one another more than so many deep."""
    level = [parsed] if isinstance(parsed, dict | list) else []
    for _ in range(levels):
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True
