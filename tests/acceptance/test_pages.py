"""The commands of the documents run, in their order, against a running system, and print what the pages show.

A text block right behind an sh block is its output: `…` stands for anything on a line, a line of it alone for any
lines. A block under a file's name is that file. What only reads is asked again until it tells what the page shows.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import pytest

from tests.architecture.pages import Block, blocks
from tests.architecture.project import ROOT, project_files
from tests.stack import API_CLIENT, Stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PLAYED: Final = ("first-steps.md", "command-api.md", "stations.md", "webhooks.md", "files.md")
CONFIGURATION: Final = "stockrelay.toml"

#: Blocks that are not run here, by how they begin, and why.
NOT_RUN: Final = {
    "make run": "test_run.py plays it",
    ". .venv/bin/activate": "the programs are on the PATH here, and the addresses are those of this test",
    "export KANBAN_WEBHOOK_SECRET": "set for every process of this test",
    "export STOCKRELAY_STATION_": "the same",
    "stockrelay-station run": "takes scans for ever; tests/acceptance/test_station_process.py plays it",
    "stockrelay-station doctor --input": "waits for a scan; tests/unit/test_station_tools_doctor.py plays it",
}
#: Pages whose commands need more than a running system (an engine for containers, systemd, a release), and the test
#: that looks after them instead.
ELSEWHERE: Final = {
    "deployment.md": "tests/architecture/test_deployment.py",
    "upgrades.md": "tests/acceptance/test_upgrades.py",
    "README.md": "tests/acceptance/test_readme.py",
}
TOKENS: Final = {
    "TOKEN": "token-of-the-first-steps",
    "STOCKRELAY_STATION_TOKEN": "token-of-the-first-station",
    "KANBAN_WEBHOOK_SECRET": "whsec_YSBzZWNyZXQgb2YgdGhlIGthbmJhbiBzeXN0ZW0=",
    "ERP_WEBHOOK_TOKEN": "a-token-of-the-erp-of-32-characters",
}
#: Commands that change nothing, and may be asked again.
_READS: Final = re.compile(
    r"stockrelay (show|status|dead-letters (list|show))|stockrelay-\w+ (ledger|dead ls|outbox (ls|show))|ls |find "
    r"|curl (?!.*(--data|-d |-X ))"
)
SECONDS: Final = 60.0
#: Programs that a reader has and this machine has not.
MISSING: Final = [name for name in ("bash", "curl", "openssl") if shutil.which(name) is None]


def pages() -> list[Path]:
    return [path for path in project_files(".md") if path.parent in (ROOT, ROOT / "docs")]


def _is_skipped(block: Block) -> bool:
    return block.text.startswith(tuple(NOT_RUN))


@dataclass
class Shell:
    """One bash that keeps its variables and its folder from block to block, as a reader's terminal does."""

    folder: Path
    environment: dict[str, str]
    _bash: subprocess.Popen[str] = field(init=False)

    def __enter__(self) -> Self:
        self._bash = subprocess.Popen(
            ["bash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            env=self.environment,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._bash.kill()
        self._bash.communicate()

    def run(self, commands: str) -> str:
        """Run a block and give what it printed."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        mark = "-- end of the block --"
        # programs must not read the rest of the script
        self._bash.stdin.write("{\n" + commands + "} </dev/null\nprintf '\\n%s\\n' '" + mark + "'\n")
        self._bash.stdin.flush()
        lines = []
        while (line := self._bash.stdout.readline()) and line.rstrip("\n") != mark:
            lines.append(line)
        return "".join(lines)


def fits(shown: str, printed: str) -> bool:
    """Tell whether a program printed what a page shows."""
    pattern = ""
    for line in shown.rstrip().splitlines():
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(map(re.escape, line.rstrip().split("…"))) + r" *\n"
    return re.fullmatch(pattern, printed.strip("\n") + "\n") is not None


def _configuration(folder: Path) -> str:
    """Join what the pages put into the configuration file; its folders are this test's."""
    found = [block.text for name in PLAYED for block in blocks(ROOT / "docs" / name) if block.file == CONFIGURATION]
    return "\n".join(found).replace('"var/drop/', f'"{folder}/var/drop/')


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("reader")
    (found / CONFIGURATION).write_text(_configuration(found))
    return found


@pytest.fixture(scope="module")
def shell_environment(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A running system, and the environment of a reader beside it."""
    configuration = str(folder / CONFIGURATION)
    given = {name: text for name, text in os.environ.items() if not name.startswith(("STOCKRELAY_", "FLOWER_"))}
    settings = {
        **{name: TOKENS[name] for name in ("KANBAN_WEBHOOK_SECRET", "ERP_WEBHOOK_TOKEN")},
        "STOCKRELAY_WEBHOOKS_TOKENS": f"{API_CLIENT}:{TOKENS['TOKEN']}:submit+read+operate,"
        f"station-1:{TOKENS['STOCKRELAY_STATION_TOKEN']}",
        "STOCKRELAY_WEBHOOKS_CONFIG": configuration,
        "STOCKRELAY_FILES_CONFIG": configuration,
        "STOCKRELAY_PARTSBOX_RATES": "100/1s+20",
    }
    with Stack(tmp_path_factory.mktemp("stack"), files=True, settings=settings, environment=given) as stack:
        kept = {name: stack.environment[name] for name in ("PATH", "REDIS_URL")}
        yield {
            **{name: text for name, text in given.items() if name != "REDIS_URL"},
            **{name: text for name, text in stack.environment.items() if name.startswith("STOCKRELAY_WEBHOOKS_")},
            **kept,
            **TOKENS,
            "STOCKRELAY_FILES_CONFIG": configuration,
            "STOCKRELAY_FILES_OUTBOX": stack.environment["STOCKRELAY_FILES_OUTBOX"],
            "STOCKRELAY_STATION_ID": "station-1",
            "STOCKRELAY_STATION_DELIVER_URL": stack.api_url,
            "RELAY": stack.api_url,
            "COLUMNS": "100",
        }


def _output_of(block: Block, behind: Sequence[Block], text: str) -> str | None:
    """Give the output that the page shows: of the text block with nothing but a blank line between."""
    if not behind or behind[0].language != "text":
        return None
    joined = block.text + "```\n\n```text\n" + behind[0].text + "```"
    return behind[0].text if joined in text else None


def _played(shell: Shell, block: Block, shown: str | None) -> None:
    printed = shell.run(block.text)
    deadline = time.monotonic() + SECONDS
    while shown is not None and not fits(shown, printed):
        assert _READS.match(block.text), f"{block}: printed\n{printed}"
        assert time.monotonic() < deadline, f"{block}: prints\n{printed}"
        time.sleep(0.2)
        printed = shell.run(block.text)


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"the pages' commands need {', '.join(MISSING)}")
@pytest.mark.parametrize("name", PLAYED)
def test_every_command_of_a_page_prints_what_the_page_shows(
    name: str, folder: Path, shell_environment: dict[str, str]
) -> None:
    page = ROOT / "docs" / name
    text, found = page.read_text(), blocks(page)
    with Shell(folder, shell_environment) as shell:
        for place, block in enumerate(found):
            if block.file and block.file != CONFIGURATION:
                (folder / block.file).write_text(block.text)
            if block.language == "sh" and not block.file and not _is_skipped(block):
                _played(shell, block, _output_of(block, found[place + 1 :], text))


def test_every_command_of_every_page_is_played_or_told_why_not() -> None:
    homeless = [
        str(block)
        for page in pages()
        for block in blocks(page)
        if block.language in ("sh", "bash", "console", "shell")
        and page.name not in (*PLAYED, *ELSEWHERE)
        and not _is_skipped(block)
    ]
    elsewhere = {page.name for page in pages() if any(block.language == "sh" for block in blocks(page))} - {*PLAYED}
    started = {block.text for name in PLAYED for block in blocks(ROOT / "docs" / name)}

    assert homeless == []
    assert elsewhere == ELSEWHERE.keys()
    assert [test for test in ELSEWHERE.values() if not (ROOT / test).exists()] == []
    assert [begin for begin in NOT_RUN if not any(text.startswith(begin) for text in started)] == []


def test_an_output_must_fit_line_by_line() -> None:
    assert fits("key … applied\n…\nend\n", "key abc applied\none\ntwo\nend\n")
    assert fits("a\n…\nb\n", "a\nb\n")
    assert not fits("a\nb\n", "a\nc\nb\n")
    assert not fits("key … applied\n", "key abc rejected\n")
