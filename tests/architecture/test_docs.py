"""What the documents name exists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest
from packaging.utils import canonicalize_name

from tests.architecture.project import ROOT, project_files, pyproject, requirement_pins

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS: Final = [path for path in project_files(".md") if "sandbox" not in path.parts]

#: Folders a document may name although nothing is in them in a fresh clone.
NOT_COMMITTED: Final = ("var/", "secrets/", "outbox/")


def _named_paths(document: Path) -> list[str]:
    """Return what stands in back quotes and looks like a path of ours."""
    quoted = re.findall(r"`((?:\.?[\w.-]+/)+[\w.-]*)`", document.read_text())
    return [name for name in quoted if not name.startswith(NOT_COMMITTED)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_a_document_names_exists(document: Path) -> None:
    assert [name for name in _named_paths(document) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_a_document_names_exists(document: Path) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"`(?:\w+=\S+ )?make ([a-z]+)", document.read_text())

    assert sorted(set(named) - set(targets)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_console_script_a_document_names_exists(document: Path) -> None:
    named = re.findall(r"`(stockrelay-[a-z]+)", document.read_text())

    assert sorted(set(named) - pyproject()["project"]["scripts"].keys()) == []


def test_the_dependency_table_is_what_is_declared_and_pinned() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text()
    rows = re.findall(r"^\| ([\w.-]+) \| (\d\S*) \|", text, re.MULTILINE)
    table = {canonicalize_name(name): version for name, version in rows}
    project = pyproject()["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {canonicalize_name(re.split(r"[^\w.-]", text)[0]) for texts in lists for text in texts}
    pins = requirement_pins("requirements/dev.txt")

    assert table == {name: pins[name] for name in declared}
