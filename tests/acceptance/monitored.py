"""A system whose processes all show their numbers, and a Prometheus that scrapes them."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import redis
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.files_program import CONFIG, HEADER, FilesProgram
from tests.backing import ROOT
from tests.process import Process, free_port, wait_until
from tests.sandbox.partsbox import id_for
from tests.stack import Stack, answers
from tests.unit.file_harness import SHELF as SOME_SHELF

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

MONITORING: Final = ROOT / "deploy" / "monitoring"
STOCKRELAY: Final = Path(sys.executable).with_name("stockrelay")
PART, SHELF = id_for("part", "R-1K"), id_for("storage", "shelf-3")
LOST: Final = {"kind": "accept_then_drop", "operation": "stock/add", "count": 1}
FINAL: Final = frozenset({"applied", "rejected", "held", "cancelled"})


class Monitored:
    """A worker, the webhooks server, the files program and `stockrelay metrics`, each with a port for its numbers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self.ports = {name: free_port() for name in ("partsbox", "files", "metrics")}
        settings = {"STOCKRELAY_PARTSBOX_SETTLE_SECONDS": "2", "STOCKRELAY_PARTSBOX_TIMEOUT_SECONDS": "3"}
        self.system = Stack(folder, workers=0, settings=settings, environment={})

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.system)
            self.worker = self.system.start_worker(self._port_of("partsbox"))
            (self._folder / "files").mkdir()
            self.files = FilesProgram(
                self._folder / "files",
                self.system.redis_url,
                config=CONFIG.replace(SOME_SHELF, SHELF),
                **self._port_of("files"),
            )
            stack.enter_context(self.files)
            self.metrics = Process(
                "metrics",
                [str(STOCKRELAY), "metrics", "--every", "0.2"],
                log=self._folder / "metrics.log",
                ready=lambda: answers(self.url("metrics")),
                environment={**self.system.environment, **self._port_of("metrics")},
            )
            stack.enter_context(self.metrics)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _port_of(self, name: str) -> dict[str, str]:
        return {"STOCKRELAY_METRICS_PORT": str(self.ports[name])}

    def url(self, name: str) -> str:
        """Where a process shows its numbers."""
        return f"http://127.0.0.1:{self.ports[name]}/metrics"

    def numbers(self, name: str) -> dict[str, float]:
        """Read a process's numbers: `name value of label, …`, labels in the order of their names."""
        if name == "webhooks":
            token = {"Authorization": f"Bearer {self.system.api_token}"}
            answer = requests.get(f"{self.system.api_url}/metrics", headers=token, timeout=30)
        else:
            answer = requests.get(self.url(name), timeout=30)
        answer.raise_for_status()
        return {
            " ".join((sample.name, *(value for _, value in sorted(sample.labels.items())))): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    def names(self) -> set[str]:
        """List every name that the processes show."""
        return {key.partition(" ")[0] for name in (*self.ports, "webhooks") for key in self.numbers(name)}

    def play(self) -> None:
        """Apply a command, one whose answer is lost, one that the vendor refuses, and the rows of a file."""
        requests.post(f"{self.system.control_url}/faults", json=LOST, timeout=30).raise_for_status()
        keys = [self._submit(part_id=PART), self._submit(part_id=PART), self._submit(part_id="9" * 26)]
        self.files.put("a.csv", f"{HEADER}1,{PART}\n")
        wait_until(lambda: all(self._state(key) in FINAL for key in keys), "the commands have ended")
        applied = "stockrelay_commands_ended_total stock.add applied partsbox"
        wait_until(lambda: self.numbers("partsbox").get(applied) == 3, "the file's row is applied too")

    def _submit(self, **fields: Any) -> str:
        body = {"kind": "stock.add", "storage_id": SHELF, "quantity": 1, "stock_timestamp": time.time_ns() // 1_000_000}
        token = {"Authorization": f"Bearer {self.system.api_token}"}
        answer = requests.post(f"{self.system.api_url}/v1/commands", json=body | fields, headers=token, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["key"])

    def _state(self, key: str) -> str:
        token = {"Authorization": f"Bearer {self.system.api_token}"}
        answer = requests.get(f"{self.system.api_url}/v1/commands/{key}", headers=token, timeout=30)
        return str(answer.json()["state"])

    def bound_memory(self) -> None:
        """Give Redis a bound, so that there is one to show."""
        with redis.Redis.from_url(self.system.redis_url) as client:
            client.config_set("maxmemory", "1gb")


class Prometheus(Process):
    """The real one, with the project's own configuration pointed at the processes of this machine."""

    def __init__(self, folder: Path, monitored: Monitored) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(
            "prometheus",
            [
                str(program("prometheus")),
                f"--config.file={self._configure(folder, monitored)}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            log=folder / "prometheus.log",
            ready=lambda: answers(f"{self.url}/-/ready"),
            environment=dict(os.environ),
        )

    def _configure(self, folder: Path, monitored: Monitored) -> Path:
        config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(MONITORING / "alerts.yml")]
        hook_port = monitored.system.api_url.rpartition(":")[2]
        ports = {**monitored.ports, "webhooks": int(hook_port)}
        token = folder / "prometheus_token"
        token.write_text(monitored.system.api_token)
        for job in config["scrape_configs"]:
            for group in job["static_configs"]:
                named = [target.partition(":")[0] for target in group["targets"]]
                group["targets"] = [f"127.0.0.1:{ports[name]}" for name in named if name in ports]
            if "authorization" in job:
                job["authorization"]["credentials_file"] = str(token)
        path = folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(config))
        return path

    def ask(self, path: str, **query: str) -> Any:
        """Ask its API; gives the answer's data."""
        answer = requests.get(f"{self.url}/api/v1/{path}", params=query, timeout=30)
        found = answer.json()
        assert found["status"] == "success", found
        return found["data"]


def program(name: str) -> Path | None:
    """Find Prometheus' programs, which no Python package brings."""
    found = shutil.which(name)
    return None if found is None else Path(found)


def panel_queries() -> Iterator[tuple[str, str]]:
    """Give title and query of every panel of the dashboard, its variables filled in."""
    board = json.loads((MONITORING / "grafana" / "dashboards" / "stockrelay.json").read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$vendor", ".*").replace("$__rate_interval", "10s")
