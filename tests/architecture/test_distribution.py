"""What is installed: licence, names, pinned requirements."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.project import ROOT, TRADEMARKS, project_files, pyproject, requirement_pins

PACKAGES: Final = ("tasks", "workers", "producers")
RUNTIME: Final = "requirements/runtime.txt"
TRACING: Final = "requirements/tracing.txt"
DEV: Final = "requirements/dev.txt"

#: kombu loads PyYAML where it is installed, Celery greenlet; our messages are JSON only, our pool is asyncio. redis-py
#: loads OpenTelemetry for numbers of its own, which nobody asks for; with it comes what the extra brings.
OPTIONAL: Final = {"pyyaml", "greenlet"}


def _declared(*extras: str) -> list[Requirement]:
    project = pyproject()["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return [Requirement(text) for texts in lists for text in texts]


def _third_party_imports() -> set[str]:
    """Return the top-level names that the product imports and that are neither ours nor Python's."""
    found = set()
    for path in project_files(".py"):
        if path.relative_to(ROOT).parts[0] in PACKAGES:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - set(PACKAGES)


def test_the_licence_is_mit() -> None:
    assert pyproject()["project"]["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n")


def test_no_distribution_script_or_image_carries_a_trademark() -> None:
    project = pyproject()["project"]
    images = re.findall(r"^\s+image: (stock\S*)", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    names = [project["name"], *project["scripts"], *images]

    assert images
    assert [name for name in names if any(mark in name.lower() for mark in TRADEMARKS)] == []


@pytest.mark.parametrize("name", [RUNTIME, TRACING, DEV])
def test_every_requirement_is_pinned_with_hashes_and_no_index_is_named(name: str) -> None:
    entries = (ROOT / name).read_text().replace("\\\n", " ").splitlines()

    assert entries
    assert [entry for entry in entries if not re.search(r"^[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", entry)] == []
    assert "://" not in (ROOT / name).read_text()


@pytest.mark.parametrize(
    ("name", "extras"),
    [(RUNTIME, ["build"]), (TRACING, ["build", "tracing"]), (DEV, ["build", "local", "tracing", "test"])],
)
def test_the_pins_are_what_pyproject_asks_for(name: str, extras: list[str]) -> None:
    pins = requirement_pins(name)
    wrong = [
        str(wanted)
        for wanted in _declared(*extras)
        if not wanted.specifier.contains(pins.get(canonicalize_name(wanted.name), "0"), prereleases=True)
    ]

    assert wrong == []


def test_development_runs_the_versions_that_production_runs() -> None:
    assert requirement_pins(RUNTIME).items() <= requirement_pins(TRACING).items() <= requirement_pins(DEV).items()


def test_the_product_imports_only_what_it_declares() -> None:
    distributions = importlib.metadata.packages_distributions()
    declared = {canonicalize_name(wanted.name) for wanted in _declared("tracing")}
    undeclared = [
        name
        for name in sorted(_third_party_imports())
        if not declared & {canonicalize_name(each) for each in distributions.get(name, [])}
    ]

    assert undeclared == []


def test_production_needs_nothing_that_only_development_installs() -> None:
    programs = ["workers.main", "tasks.app", "kombu.transport.redis", "flower.command"]
    programs += [entry.partition(":")[0] for entry in pyproject()["project"]["scripts"].values()]
    script = f"import importlib, sys; [importlib.import_module(n) for n in {programs}]; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    distributions = importlib.metadata.packages_distributions()
    loaded = {
        canonicalize_name(name)
        for module in {module.split(".")[0] for module in run.stdout.split()}
        for name in distributions.get(module, [])
    }

    known = OPTIONAL | requirement_pins(TRACING).keys() | {pyproject()["project"]["name"]}
    assert sorted(loaded - known) == []
