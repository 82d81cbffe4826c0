"""What the documents name exists, their links lead somewhere, and their blocks are what the product reads."""

from __future__ import annotations

import importlib
import json
import re
import tomllib
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click
import pytest
from packaging.utils import canonicalize_name

from producers.files.feeds import read_feeds
from producers.webhooks.sources import read_sources
from tasks.registry import kinds, parse_command
from tasks.routes import OTHERS_TABLES, read_routes
from tests.architecture.pages import Block, anchors, blocks, links, prose
from tests.architecture.project import ROOT, project_files, pyproject, requirement_pins
from tests.architecture.settings import known_settings
from workers.vendor_settings import VENDOR_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCUMENTS: Final = [path for path in project_files(".md") if "sandbox" not in path.parts]
PAGES: Final = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]
BLOCKS: Final = [block for page in PAGES for block in blocks(page)]
#: Languages of blocks that somebody reads by a test: here, in tests/acceptance, or as the output of what is run there.
LANGUAGES: Final = {"sh", "text", "toml", "json", "yaml", "ini", "csv", "python", "diff", "promql", "acl", ""}

#: Folders a document may name although nothing is in them in a fresh clone.
NOT_COMMITTED: Final = ("var/", "secrets/", "outbox/")


def _named_paths(document: Path) -> list[str]:
    """Return what stands in back quotes and looks like a path of ours."""
    quoted = re.findall(r"`((?:\.?[\w.-]+/)+[\w.-]*)`", document.read_text())
    made = {block.file for block in blocks(document)}
    return [name for name in quoted if not name.startswith(NOT_COMMITTED) and name not in made]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_a_document_names_exists(document: Path) -> None:
    assert [name for name in _named_paths(document) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_a_document_names_without_its_folder_is_somewhere(document: Path) -> None:
    ours = {path.name for path in project_files()} | {block.file for block in blocks(document)}
    named = re.findall(r"`([\w.-]+\.(?:toml|yml|yaml|md|py|lua|json|js|css|sql))`", prose(document))

    assert set(named) - ours == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_a_document_names_exists(document: Path) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"`(?:\w+=\S+ )?make ([a-z]+)", document.read_text())

    assert sorted(set(named) - set(targets)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_console_script_a_document_names_exists(document: Path) -> None:
    named = re.findall(r"`(stockrelay-[a-z]+)", document.read_text())

    assert sorted(set(named) - pyproject()["project"]["scripts"].keys()) == []


def _quoted(document: Path) -> Iterator[str]:
    """Give what stands in back quotes, and the lines of the commands."""
    yield from re.findall(r"`([^`\n]+)`", prose(document))
    for block in blocks(document):
        if block.language == "sh":
            yield from block.text.replace("\\\n", " ").splitlines()


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_setting_a_document_names_exists(document: Path) -> None:
    named = {
        name
        for text in _quoted(document)
        for name in re.findall(r"\b(?:STOCKRELAY|FLOWER)_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_…<*{])", text)
    }
    known = known_settings()

    assert {name for name in named if name not in known and name.removesuffix("_FILE") not in known} == set()


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_kind_of_command_a_document_names_exists(document: Path) -> None:
    nouns = "|".join(sorted({kind.partition(".")[0] for kind in kinds()}))
    named = {text for text in _quoted(document) if re.fullmatch(rf"(?:{nouns})\.[a-z_]+", text)}

    assert named - set(kinds()) == set()


def _program(name: str) -> click.Command:
    module, _, function = pyproject()["project"]["scripts"][name].partition(":")
    found: click.Command = getattr(importlib.import_module(module), function)
    return found


def _unknown(line: str) -> str:
    """Say which word of a command line its program does not know; empty when it knows all."""
    name, *words = line.split()
    command = _program(name)
    for word in words:
        if isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]*", word):
            if word not in command.commands:
                return word
            command = command.commands[word]
        elif re.fullmatch(r"--[a-z-]+", word) and word not in ("--help", "--version"):
            if not any(word in (*option.opts, *option.secondary_opts) for option in command.params):
                return word
        elif isinstance(command, click.Group):
            return ""
    return ""


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_line_a_document_names_is_one_of_its_program(document: Path) -> None:
    lines = [re.split(r"[|>;&)]", text)[0].strip() for text in _quoted(document)]
    named = [line for line in lines if re.match(r"stockrelay(?:-webhooks|-station|-files)? [a-z-]", line)]

    assert {line: _unknown(line) for line in named if _unknown(line)} == {}


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_number_a_document_names_is_kept_by_a_program(document: Path) -> None:
    code = "".join(path.read_text() for path in project_files(".py") if "tests" not in path.parts)
    named = {name for text in _quoted(document) for name in re.findall(r"\bstockrelay_[a-z_]*[a-z]\b", text)}

    bare = {name: re.sub(r"^stockrelay_(redis_)?|_(total|bucket|sum|count|bytes)$", "", name) for name in named}

    assert {name for name, word in bare.items() if word not in code} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(document: Path) -> None:
    broken = []
    for link in links(document):
        parts = urlsplit(link)
        if parts.scheme:
            broken += [link] if parts.scheme != "https" or not parts.netloc else []
            continue
        target = (document.parent / parts.path) if parts.path else document
        if not target.exists() or (parts.fragment and parts.fragment not in anchors(target)):
            broken.append(link)

    assert broken == []


def test_the_index_names_every_page() -> None:
    listed = {link.partition("#")[0] for link in links(ROOT / "docs" / "README.md")}
    pages = {path.name for path in PAGES if path.parent == ROOT / "docs"} - {"README.md"}

    assert pages - listed == set()


def test_every_block_has_a_language_that_a_test_reads() -> None:
    assert [f"{block} {block.language}" for block in BLOCKS if block.language not in LANGUAGES] == []
    assert [str(page) for page in PAGES if re.search(r"^(?: +```|~~~|````)", page.read_text(), re.MULTILINE)] == []


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language == "toml"], ids=str)
def test_a_configuration_block_is_read_by_the_program_it_is_for(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "block.toml"
    path.write_text(block.text)
    tables = tomllib.loads(block.text).keys()

    assert tables <= OTHERS_TABLES | {"routes", "imports"}, "a table that no program reads"
    assert read_sources(path).keys() == tomllib.loads(block.text).get("sources", {}).keys()
    assert {feed.name for feed in read_feeds(path)} == tomllib.loads(block.text).get("feeds", {}).keys()
    read_routes(path)


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.language == "json"], ids=str)
def test_a_json_block_is_json_and_a_command_one_of_ours(block: Block) -> None:
    found = json.loads(block.text)
    if isinstance(found, dict) and "kind" in found:
        parse_command(found["kind"], {name: value for name, value in found.items() if name != "kind"})


def test_the_scorecard_has_the_limits_that_workers_have() -> None:
    row = re.search(r"^\| limit, ours [^|]*\|(.+)\|$", (ROOT / "docs" / "vendors.md").read_text(), re.MULTILINE)
    assert row is not None
    defaults = {vendor: model.model_fields for vendor, model in VENDOR_SETTINGS.items()}
    told = [
        f"{','.join(map(str, fields['rates'].default))}, {fields['concurrency'].default} at once"
        for fields in defaults.values()
    ]

    assert [cell.strip() for cell in row[1].split("|")] == told


def test_the_readme_is_one_screen_and_its_figures_are_those_of_the_runs() -> None:
    text = (ROOT / "README.md").read_text()
    promise = text.partition("## What it promises")[2].partition("\n## ")[0]
    runs = "".join((ROOT / "docs" / name).read_text() for name in ("proof.md", "benchmarks/README.md"))
    figures = set(re.findall(r"\b\d[\d,.]*\d\b", promise))

    assert len(text.splitlines()) <= 70
    assert len(figures) >= 5
    assert {figure for figure in figures if figure not in runs} == set()


def test_the_figures_of_the_guarantees_are_those_of_the_runs() -> None:
    table = (ROOT / "docs" / "guarantees.md").read_text().partition("## How each is shown")[2]
    runs = "".join((ROOT / "docs" / name).read_text() for name in ("proof.md", "benchmarks/README.md"))
    rows = re.findall(r"^\|[^|]*\|[^|]*\|[^|]*\|([^|]*)\|$", table, re.MULTILINE)
    figures = {figure for row in rows for figure in re.findall(r"\b\d[\d,.]*\d\b", row)}

    assert {figure for figure in figures if figure not in runs} == set()


def test_the_dependency_table_is_what_is_declared_and_pinned() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text()
    rows = re.findall(r"^\| ([\w.-]+) \| (\d\S*) \|", text, re.MULTILINE)
    table = {canonicalize_name(name): version for name, version in rows}
    project = pyproject()["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {canonicalize_name(re.split(r"[^\w.-]", text)[0]) for texts in lists for text in texts}
    pins = requirement_pins("requirements/dev.txt")

    assert table == {name: pins[name] for name in declared}
