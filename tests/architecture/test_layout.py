"""Files, functions and names stay small and findable."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.architecture.project import ROOT, project_files

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILE_LINES: Final = 400
MAX_FUNCTION_LINES: Final = 60
CATCH_ALL_NAMES: Final = {"utils", "util", "helpers", "common", "misc", "manager"}

#: Their bytes are no text.
BINARY: Final = {".png", ".zip"}
#: Written so that this file does not match them.
FORBIDDEN_TEXT: Final = {
    "a package index address": r"https?://[^/ \"]*(?:pypi\.org|pythonhosted\.org|npmjs\.|deb\.debian\.org|/simple/)",
    "a path of one machine": r"(?<![\w.])/(?:work|root|farm|home|Users)/",
    "an unfinished note": r"\b(?:TO[D]O|FIX[M]E|XX[X])\b",
}


def _names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def _functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_source_file_is_longer_than_its_cap() -> None:
    sources = project_files(".py") + project_files(".lua")

    assert sources
    assert _names([path for path in sources if len(path.read_text().splitlines()) > MAX_FILE_LINES]) == []


def test_no_function_is_longer_than_its_cap() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{function.name} has {_lines(function)} lines"
        for path in project_files(".py")
        for function in _functions(path)
        if _lines(function) > MAX_FUNCTION_LINES
    ]

    assert long == []


def test_no_module_has_a_catch_all_name() -> None:
    assert _names([path for path in project_files(".py") if path.stem in CATCH_ALL_NAMES]) == []


def test_every_module_says_what_lives_in_it() -> None:
    modules = [path for path in project_files(".py") if path.read_text().strip()]

    assert _names([path for path in modules if not ast.get_docstring(ast.parse(path.read_text()))]) == []


@pytest.mark.parametrize("what", FORBIDDEN_TEXT)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN_TEXT[what])
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in project_files()
        if path.suffix not in BINARY
        for number, line in enumerate(path.read_text(errors="ignore").splitlines(), 1)
        if pattern.search(line)
    ]

    assert found == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a package index address", "index = 'https" + "://pypi.org/simple'"),
        ("a path of one machine", "open('" + "/root" + "/secret')"),
        ("an unfinished note", "# TO" + "DO: later"),
    ],
)
def test_the_search_for_forbidden_text_finds_it(what: str, text: str) -> None:
    assert re.search(FORBIDDEN_TEXT[what], text)
