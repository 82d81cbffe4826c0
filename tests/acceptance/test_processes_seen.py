"""A worker, the webhooks server and the files program are seen while they run, and gone when they have ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.acceptance.files_program import FilesProgram
from tests.acceptance.webhooks_server import WebhooksServer
from tests.backing import ROOT
from tests.process import Process, wait_until
from tests.stack import read_procfile

if TYPE_CHECKING:
    from tests.conftest import SharedValkey

STOCKRELAY = Path(sys.executable).with_name("stockrelay")


def seen(redis_url: str) -> list[tuple[Any, ...]]:
    environment = {**os.environ, "REDIS_URL": redis_url}
    told = subprocess.run([STOCKRELAY, "status", "--json"], env=environment, capture_output=True, check=True)
    found = json.loads(told.stdout)["processes"]
    return [(one["role"], *one["serves"], one["pid"]) for one in found if not one["silent"]]


def worker(folder: Path, redis_url: str) -> Process:
    """Start the worker that talks to no vendor."""
    path = os.pathsep.join([str(STOCKRELAY.parent), os.environ["PATH"]])
    process = Process(
        "routing",
        ["/bin/sh", "-c", read_procfile()["routing"]],
        log=folder / "worker.log",
        ready=lambda: process.printed(" ready."),
        environment={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "REDIS_URL": redis_url},
        folder=ROOT,
    )
    return process


def test_whoever_runs_is_seen_and_nobody_who_has_ended(tmp_path: Path, valkey: SharedValkey) -> None:
    for folder in (tmp_path / "hooks", tmp_path / "files"):
        folder.mkdir()
    with ExitStack() as stack:
        hooks, files = WebhooksServer(tmp_path / "hooks", valkey.url), FilesProgram(tmp_path / "files", valkey.url)
        programs = [worker(tmp_path, valkey.url), hooks, files]
        worker_pid, webhooks_pid, files_pid = (stack.enter_context(one).pid for one in programs)
        wait_until(lambda: len(seen(valkey.url)) == 3, "all three are seen")
        assert seen(valkey.url) == [
            ("files", "goods-in", files_pid),
            ("webhooks", "repo", "shop", "rack", webhooks_pid),
            ("worker", "routing", worker_pid),
        ]
        assert [one.stop() for one in programs] == [0, 0, 0]

    assert seen(valkey.url) == []
