"""The systemd units as the tests read them: sections, their options, and what an instance makes of specifiers."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

from tests.architecture.project import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDER: Final = ROOT / "deploy" / "systemd"
CONFINED: Final = FOLDER / "stockrelay-.service.d" / "confined.conf"
UNITS: Final = sorted(FOLDER.glob("*.service"))
ENVIRONMENTS: Final = sorted((FOLDER / "environment").glob("*.env"))
#: Where the documents install the project, and where its console scripts are then.
PROGRAMS: Final = "/opt/stockrelay/bin/"

Sections = dict[str, dict[str, list[str]]]


def read_unit(path: Path) -> Sections:
    """Read a unit; ValueError names the line that is none. An option may be given several times."""
    sections: Sections = {}
    options: dict[str, list[str]] = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        header = re.fullmatch(r"\[(\w+)\]", line)
        option = re.fullmatch(r"(\w+)=(.*)", line)
        if header:
            options = sections.setdefault(header[1], {})
        elif option and sections:
            options.setdefault(option[1], []).append(option[2])
        else:
            raise ValueError(f"{path.name}:{number}: neither a section nor an option of one")
    return sections


def read_environment_file(path: Path) -> dict[str, str]:
    """Read the variables of an environment file."""
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def variables(unit: Sections) -> dict[str, str]:
    """Give what the unit itself sets."""
    assignments = (assignment.partition("=") for assignment in unit["Service"].get("Environment", []))
    return {name: value for name, _, value in assignments}


def credentials(unit: Sections) -> dict[str, str]:
    """Give the file of each credential by its name."""
    return dict(loaded.split(":", 1) for loaded in unit["Service"].get("LoadCredential", []))


def words_run(unit: Sections, instance: str = "", environment: dict[str, str] | None = None) -> list[str]:
    """Give the words of the program that a unit ends up running, as systemd would make them, without its folder."""
    text = unit["Service"]["ExecStart"][0].replace("%i", instance).replace("%%", "%")
    for name, value in (environment or {}).items():
        text = text.replace(f"${{{name}}}", value)
    words = [word.replace("$$", "$") for word in shlex.split(text)]
    if words[:2] == ["/bin/sh", "-c"]:
        words = ["sh", *shlex.split(words[2])]
    return [words[0].removeprefix(PROGRAMS), *words[1:]]
