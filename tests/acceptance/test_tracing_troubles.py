"""What must not happen because of traces: a collector that hangs, the extra that is missing, a process without them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.acceptance.traced_system import traced_system
from tests.backing import ROOT
from tests.process import Process, free_port, wait_until
from tests.stack import Stack, read_procfile

if TYPE_CHECKING:
    from tests.acceptance.traced_system import Traced

#: Loaded by every Python that has its folder on PYTHONPATH.
WITHOUT_THE_EXTRA: Final = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
"""
LOADED: Final = """
import atexit, os, sys

atexit.register(lambda: open(os.environ["LOADED"] + str(os.getpid()), "w").write("\\n".join(sys.modules)))
"""
#: Much less than the SDK would wait for a collector at its end, and more than a busy machine needs to stop a worker.
GRACE_SECONDS: Final = 20.0
#: The default of the SDK is 2,048: more than that is thrown away.
SMALL_QUEUE: Final = {"OTEL_BSP_MAX_QUEUE_SIZE": "16", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8"}


def _programs(folder: Path) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Give the command and the settings of each program, good but for what a test adds."""
    python = sys.executable
    redis = {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    station = ["--station", "ST-1", "--deliver", "http://127.0.0.1:9", "--outbox", str(folder / "outbox.sqlite3")]
    return {
        "worker": (
            ["/bin/sh", "-c", read_procfile()["partsbox"]],
            {**redis, "STOCKRELAY_PARTSBOX_API_KEY": "partsboxapi_invented0001"},
        ),
        "webhooks": (
            [python, "-m", "producers.webhooks.main", "run"],
            {**redis, "STOCKRELAY_WEBHOOKS_TOKENS": "erp:invented-token-of-erp"},
        ),
        "files": ([python, "-m", "producers.files.main", "run"], redis),
        "station": (
            [python, "-m", "producers.scanner.main", "run", *station],
            {"STOCKRELAY_STATION_TOKEN": "invented-token-of-st01"},
        ),
    }


def _start(program: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    command, own = _programs(folder)[program]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": path, "PYTHONWARNINGS": "ignore", **own, **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("program", ["worker", "webhooks", "files", "station"])
def test_a_collector_that_is_named_without_the_extra_ends_the_start_in_one_line(program: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_THE_EXTRA)
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}

    ended = _start(program, tmp_path, PYTHONPATH=str(tmp_path), **endpoint)

    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (2, "", 1), ended.stderr
    assert "OTEL_EXPORTER_OTLP_ENDPOINT: set, and what it needs is not installed" in ended.stderr
    assert "stockrelay[tracing]" in ended.stderr


@pytest.mark.parametrize("program", ["worker", "webhooks", "files", "station"])
def test_a_secret_of_the_collector_that_cannot_be_read_is_not_shown(program: str, tmp_path: Path) -> None:
    wrong = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization: Bearer canaryCollector0099",
    }

    ended = _start(program, tmp_path, **wrong)

    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1), ended.stderr
    assert "OTEL_EXPORTER_OTLP_HEADERS: not name=value" in ended.stderr
    assert "canary" not in ended.stderr


@pytest.mark.slow
def test_without_a_collector_nothing_of_it_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(LOADED)
    loaded = tmp_path / "loaded"
    loaded.mkdir()
    settings = {"PYTHONPATH": str(tmp_path), "LOADED": f"{loaded}{os.sep}"}

    with Stack(tmp_path, files=True, settings=settings, environment={}) as stack:
        running = [stack.worker, stack.processes["webhooks"], stack.processes["files"]]
        codes = [process.stop() for process in running]
        modules = [(loaded / str(process.pid)).read_text().splitlines() for process in running]

    assert codes == [0, 0, 0]
    assert all("tasks.tracing" in found for found in modules)
    # redis-py loads the API and the SDK wherever they are, for numbers that nobody asks it for
    ours = ("tasks.spans", "opentelemetry.exporter", "opentelemetry.sdk.trace")
    assert [name for found in modules for name in found if name.startswith(ours)] == []


def _send_and_settle(traced: Traced, count: int) -> None:
    traced.until_ended(*[traced.submit(quantity=1 + number) for number in range(count)])


@pytest.mark.slow
def test_a_frozen_collector_holds_up_neither_commands_nor_the_stop_and_is_told_once(tmp_path: Path) -> None:
    settings = {**SMALL_QUEUE, "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    with traced_system(tmp_path, settings) as traced:
        traced.collector.answers.clear()
        _send_and_settle(traced, 20)
        wait_until(lambda: traced.stack.worker.printed("traces.not_sent"), "the worker tells it")
        asked = traced.collector.asked
        _send_and_settle(traced, 20)
        wait_until(lambda: traced.collector.asked > asked + 2, "it was asked in vain more often")
        running = [traced.stack.worker, traced.stack.processes["webhooks"]]
        codes = [process.stop(GRACE_SECONDS) for process in running]
        told = [process.output().count("traces.not_sent") for process in running]
        noise = [line for process in running for line in process.output().splitlines() if "opentelemetry" in line]

    assert codes == [0, 0]
    assert told == [1, 1]
    assert noise == []


@pytest.mark.slow
def test_a_program_that_stops_does_not_wait_for_a_request_that_hangs_at_the_collector(tmp_path: Path) -> None:
    with traced_system(tmp_path, {"OTEL_EXPORTER_OTLP_TIMEOUT": "300"}) as traced:
        traced.collector.answers.clear()
        _send_and_settle(traced, 1)
        wait_until(lambda: traced.collector.asked >= 2, "both programs wait for the collector")
        running = [traced.stack.worker, traced.stack.processes["webhooks"]]
        codes = [process.stop(GRACE_SECONDS) for process in running]
        abandoned = traced.stack.worker.printed("is abandoned")

    assert codes == [0, 0]
    assert not abandoned


@pytest.mark.slow
def test_a_collector_that_comes_back_gets_spans_again(tmp_path: Path) -> None:
    with traced_system(tmp_path) as traced:
        traced.collector.status = 400
        _send_and_settle(traced, 1)
        wait_until(lambda: traced.stack.worker.printed("traces.not_sent"), "the worker tells it")
        traced.collector.status = 200
        key = traced.submit()
        spans = traced.settled(key)
        wait_until(lambda: traced.stack.worker.printed("traces.sent"), "the worker tells it")

    assert {span.service for span in spans} >= {"stockrelay-worker"}


@pytest.mark.slow
def test_the_last_spans_are_sent_at_the_end_of_a_worker(tmp_path: Path) -> None:
    # nothing is sent before by itself
    with traced_system(tmp_path, {"OTEL_BSP_SCHEDULE_DELAY": "600000"}) as traced:
        key = traced.submit()
        traced.until_ended(key)
        assert traced.stack.worker.stop() == 0
        traced.settled(key)


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["processes", "threads", "solo"])
def test_the_other_pools_send_their_spans_too(pool: str, tmp_path: Path) -> None:
    with traced_system(tmp_path, workers=0) as traced:
        command = f"{read_procfile()['partsbox']} -P {pool} -c 2 -n {pool}@%h"
        worker = Process(
            pool,
            ["/bin/sh", "-c", command],
            log=tmp_path / f"{pool}.log",
            ready=lambda: worker.printed(" ready."),
            environment=traced.stack.environment,
            folder=ROOT,
        )
        with worker:
            key = traced.submit()
            spans = traced.settled(key)
            code = worker.stop()

    assert code == 0
    assert {"deliver", "stock/add"} <= {span.name for span in spans}


@pytest.mark.slow
def test_a_trace_is_recorded_everywhere_or_nowhere_by_the_share_that_is_set(tmp_path: Path) -> None:
    share = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    with traced_system(tmp_path, share) as traced:
        keys = [traced.submit(quantity=1 + number) for number in range(16)]
        traced.until_ended(*keys)
        assert traced.stack.worker.stop() == 0
        assert traced.stack.processes["webhooks"].stop() == 0
        spans = list(traced.collector.spans)

    seen = {key: {span.name for span in spans if span.key == key} for key in keys}
    whole = {"accept", "deliver", "command stock.add"}
    assert {frozenset(names) for names in seen.values()} == {frozenset(), frozenset(whole)}
