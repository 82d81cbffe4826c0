"""Expressions of the configuration over what a sender sent: JMESPath (jmespath.org), checked when they are read.

An expression sees `event` (the body), `headers` (by lower-case name), `id` (of the delivery) and, for a rule with
`each`, `item`. `lookup('table', key)` finds a value in the source's tables; `to_number` takes plain decimal numbers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions, signature

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jmespath.parser import ParsedResult

#: What an expression may begin with.
NAMES: Final = ("event", "headers", "id", "item")
#: A number as JSON writes it: `int()` would take `1_000`, blanks and digits of other scripts too.
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)
#: Longer digits are no quantity and no price, and a sender must not make us compute with them.
_MAX_NUMBER: Final = 30
#: Nodes of a parsed expression whose first child alone is asked of the top; the others are asked of what it found.
_STEPS: Final = frozenset(
    {"subexpression", "index_expression", "pipe", "projection", "value_projection", "filter_projection", "flatten"}
)
#: What evaluating an expression over foreign data may raise.
_FAILURES: Final = (
    JMESPathError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class ExpressionError(ValueError):
    """An expression cannot be used, or not with what was sent; the text names it."""


class Tables(Functions):
    """The functions of JMESPath, with look-ups in a source's tables."""

    def __init__(self, tables: Mapping[str, Mapping[str, str]]) -> None:
        self._tables = tables

    @signature({"types": ["string"]}, {"types": ["string", "number"]})
    def _func_lookup(self, table: str, key: object) -> str:
        if table not in self._tables:
            raise ExpressionError(f"lookup: there is no table {table!r}; known are {', '.join(self._tables) or 'none'}")
        found = self._tables[table].get(str(key))
        if found is None:
            raise ExpressionError(f"lookup: table {table} has no {str(key)[:80]!r}")
        return found

    @signature({"types": []})
    def _func_to_number(self, given: object) -> float | None:
        if isinstance(given, int | float) and not isinstance(given, bool):
            return given
        if not isinstance(given, str) or len(given) > _MAX_NUMBER or _NUMBER.fullmatch(given) is None:
            return None
        return float(given) if "." in given else int(given)


class Expression:
    """One compiled expression."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._compiled = _compile(text)

    def find(self, data: Mapping[str, Any], tables: Tables) -> Any:
        """Evaluate; raises ExpressionError, for example for a function that got something of another type."""
        try:
            return self._compiled.search(data, jmespath.Options(custom_functions=tables))
        except ExpressionError as error:
            raise ExpressionError(f"{self.text}: {error}") from None
        except _FAILURES as error:
            raise ExpressionError(f"{self.text}: {_first_line(error)}") from None


def _compile(text: str) -> ParsedResult:
    try:
        compiled = jmespath.compile(text)
        tree: dict[str, Any] = dict(compiled.parsed)
        for node in _nodes(tree):
            if node["type"] == "function_expression":
                _check_call(node)
        unknown = [name for name in _begins_with(tree) if name not in NAMES]
    except ExpressionError as error:
        raise ExpressionError(f"{text}: {error}") from None
    except _FAILURES as error:
        raise ExpressionError(f"{text!r} is no JMESPath expression: {_first_line(error)}") from None
    if unknown:
        raise ExpressionError(f"{text}: begins with {unknown[0]!r}; begin with one of {', '.join(NAMES)}")
    return compiled


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node["children"]:
        if isinstance(child, dict):  # a slice has numbers
            yield from _nodes(child)


def _begins_with(node: dict[str, Any]) -> Iterator[str]:
    """Name the fields that are asked of the top: a misspelt one would only ever find nothing."""
    if node["type"] == "field":
        yield node["value"]
    elif node["type"] != "expref":
        children = [child for child in node["children"] if isinstance(child, dict)]
        for child in children[:1] if node["type"] in _STEPS else children:
            yield from _begins_with(child)


def _check_call(node: dict[str, Any]) -> None:
    known = Tables.FUNCTION_TABLE.get(node["value"])
    if known is None:
        raise ExpressionError(f"there is no function {node['value']!r}")
    wanted, given = known["signature"], len(node["children"])
    is_variadic = bool(wanted and wanted[-1].get("variadic"))
    if given < len(wanted) or (given > len(wanted) and not is_variadic):
        raise ExpressionError(f"{node['value']} takes {len(wanted)} arguments, not {given}")


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
