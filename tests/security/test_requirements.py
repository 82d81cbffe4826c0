"""The pinned requirements, checked without a network: each pin exact and hashed, nothing from elsewhere, nothing else.

Whether a version is yanked or has a known hole only an index or a vulnerability database can tell (docs/security.md).
"""

from __future__ import annotations

import re
from importlib import metadata
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.architecture.project import ROOT, pyproject

FILES: Final = ("runtime", "tracing", "dev")
#: OpenTelemetry's SDK and exporter, which are stable, pin these parts of theirs, which are not.
PINNED_BY_A_STABLE_ONE: Final = {
    "opentelemetry-exporter-http-transport",
    "opentelemetry-exporter-otlp-common",
    "opentelemetry-semantic-conventions",
}
_HASH: Final = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def entries(name: str) -> list[str]:
    """Give each logical line of a requirements file, its continuations joined."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    joined = text.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.strip().startswith("#")]


def faults(entry: str) -> list[str]:
    """Say what is wrong with one logical line."""
    words = entry.split(" --hash=", maxsplit=1)[0].strip()
    if entry.startswith("-") or "://" in entry or " @ " in entry:
        return ["an option, an index or an address instead of a pin"]
    requirement = Requirement(words)
    specifiers = list(requirement.specifier)
    found = []
    if len(specifiers) != 1 or specifiers[0].operator != "==" or "*" in specifiers[0].version:
        found.append("not one exact version")
    elif _is_unstable(Version(specifiers[0].version), requirement.name):
        found.append("a prerelease or a local version")
    options = entry[len(words) :].split()
    if not options or not all(_HASH.fullmatch(option) for option in options):
        found.append("not hashed by sha256 alone")
    return found


def _is_unstable(version: Version, name: str) -> bool:
    return version.local is not None or (version.is_prerelease and name not in PINNED_BY_A_STABLE_ONE)


def pins(name: str) -> dict[str, str]:
    requirements = [Requirement(entry.split(" --hash=", maxsplit=1)[0].strip()) for entry in entries(name)]
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in requirements}


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_one_exact_version_with_its_hashes(name: str) -> None:
    assert len(entries(name)) > 20
    assert {entry[:60]: faults(entry) for entry in entries(name) if faults(entry)} == {}
    assert len(pins(name)) == len(entries(name))


GOOD: Final = "attrs==25.1.0 --hash=sha256:" + "0" * 64


@pytest.mark.parametrize(
    "bad",
    [
        "attrs>=25 --hash=sha256:" + "0" * 64,
        "attrs==25.1.0",
        "attrs==25.1.0 --hash=md5:" + "0" * 32,
        "attrs==25.* --hash=sha256:" + "0" * 64,
        "attrs==25.1.0rc1 --hash=sha256:" + "0" * 64,
        "attrs==25.1.0+ours --hash=sha256:" + "0" * 64,
        "--index-url https://packages.example.test",
        "--trusted-host packages.example.test",
        "-e .",
        "attrs @ git+https://code.example.test/attrs",
        GOOD + " --hash=sha256:" + "0" * 63,
    ],
)
def test_a_loose_requirement_is_found(bad: str) -> None:
    assert faults(GOOD) == []
    assert faults(bad)


def test_the_tests_run_with_the_versions_that_run_in_production() -> None:
    runtime, dev = pins("runtime"), pins("dev")

    assert {name: (version, dev.get(name)) for name, version in runtime.items() if dev.get(name) != version} == {}


def test_every_declared_dependency_is_pinned_and_its_bound_kept() -> None:
    project = pyproject()["project"]
    declared = [Requirement(text) for text in project["dependencies"]]
    tested = [Requirement(text) for texts in project["optional-dependencies"].values() for text in texts]

    traced = [Requirement(text) for text in project["optional-dependencies"]["tracing"]]
    for name, wanted in (("runtime", declared), ("tracing", [*declared, *traced]), ("dev", [*declared, *tested])):
        found = pins(name)
        assert [str(each) for each in wanted if not _is_kept(each, found)] == []


def _is_kept(wanted: Requirement, found: dict[str, str]) -> bool:
    pinned = found.get(canonicalize_name(wanted.name))
    return pinned is not None and wanted.specifier.contains(pinned)


def test_what_runs_here_is_what_is_pinned() -> None:
    dev = pins("dev")
    installed = {canonicalize_name(each.metadata["Name"]): each.version for each in metadata.distributions()}

    assert len(installed.keys() & dev.keys()) > 50
    assert {name: version for name, version in installed.items() if dev.get(name, version) != version} == {}
