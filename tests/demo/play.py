"""Playing the day: stations scan, a sender calls, and meanwhile connections, a worker and Redis die."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import redis
import requests

from tests.demo.scenario import STATIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.demo.scenario import Day
    from tests.stack import Stack

#: The whole day must be over by then; a healthy run takes a third of it.
DAY_SECONDS = 100.0
#: A person scans no faster; it also keeps the stations' scans interleaved.
SCAN_GAP_SECONDS = 0.02
OPEN_STATES = ("waiting", "ready", "sending", "delayed", "in_doubt")


@dataclass
class Record:
    """What the producers were promised, and what was done to the system."""

    promised: set[str] = field(default_factory=set)
    repeats: int = 0
    refused: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)


class Player:
    """Plays one day on a running stack."""

    def __init__(self, stack: Stack, day: Day, folder: Path) -> None:
        self.stack = stack
        self.day = day
        self.record = Record()
        self._folder = folder
        self._lock = threading.Lock()

    def play(self, show: Callable[[Counter[str], list[str]], None]) -> None:
        """Play to the end; `show` gets the commands by state and the events so far. Raises TimeoutError."""
        self._lose_answers()
        with ThreadPoolExecutor(max_workers=len(STATIONS) + 2) as threads:
            doing = [threads.submit(self._run_station, name) for name in STATIONS]
            doing.append(threads.submit(self._call))
            doing.append(threads.submit(self._break_things))
            deadline = time.monotonic() + DAY_SECONDS
            while True:
                counts = self.counts()
                show(counts, self.record.events)
                if all(task.done() for task in doing) and not any(counts[state] for state in OPEN_STATES):
                    break
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the day did not end within {DAY_SECONDS:g} s: {dict(counts)}")
                time.sleep(0.1)
            for task in doing:
                task.result()
        self.record.faults = self._control("GET", "faults")

    def counts(self) -> Counter[str]:
        """Count the commands by state; empty while Redis is away."""
        try:
            with redis.Redis.from_url(self.stack.redis_url, decode_responses=True, socket_timeout=2) as client:
                found = client.hgetall("sr:{partsbox}:counts")
        except redis.RedisError:
            return Counter({"ready": 1})
        return Counter({state: int(count) for state, count in found.items()})

    def settled(self) -> int:
        """Count the commands that ended."""
        counts = self.counts()
        return sum(counts[state] for state in ("applied", "rejected", "held"))

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, f"{self.stack.control_url}/{path}", json=body, timeout=15)
        answer.raise_for_status()
        return answer.json()

    def _happened(self, what: str) -> None:
        with self._lock:
            self.record.events.append(what)

    def _lose_answers(self) -> None:
        lost = [("stock/move", 3), ("stock/add", 2), ("order/receive", 1)]
        self._control(
            "POST",
            "faults",
            [{"kind": "accept_then_drop", "operation": name, "skip": skip, "count": 1} for name, skip in lost]
            + [{"kind": "drop_before", "operation": "stock/remove", "skip": 1, "count": 1}],
        )
        self._happened("the vendor will lose three answers after booking and one request before it")

    def _run_station(self, name: str) -> None:
        command = [sys.executable, "-m", "producers.scanner.main", "--input", "stdin", "--station", name, "--json"]
        command += ["--deliver", self.stack.api_url, "--outbox", str(self._folder / f"{name}.sqlite3")]
        command += ["--bounce-seconds", "0", "--results-seconds", "0"]
        environment = {**self.stack.environment, "STOCKRELAY_STATION_TOKEN": STATIONS[name]}
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        ) as station:
            assert station.stdin is not None
            assert station.stdout is not None
            for scan in self.day.scans[name]:
                station.stdin.write(scan + "\n")
                station.stdin.flush()
                time.sleep(SCAN_GAP_SECONDS)
            station.stdin.close()
            for line in station.stdout:
                self._heard(name, json.loads(line))
        if station.returncode:
            self._refused(f"{name} ended with {station.returncode}")

    def _heard(self, name: str, line: dict[str, Any]) -> None:
        if line.get("tone") == "stored":
            with self._lock:
                self.record.promised.add(line["key"])
        elif line.get("tone") == "error" or line.get("state") in ("refused", "rejected", "held"):
            self._refused(f"{name}: {line.get('message') or line.get('reason')}")

    def _refused(self, what: str) -> None:
        with self._lock:
            self.record.refused.append(what)

    def _call(self) -> None:
        for body in self.day.calls:
            answer = self._post(body)
            if answer.status_code not in (200, 202):
                self._refused(f"{body['kind']}: {answer.status_code} {answer.text}")
                continue
            with self._lock:
                self.record.promised.add(answer.json()["key"])
                self.record.repeats += answer.status_code == 200

    def _post(self, body: dict[str, Any]) -> requests.Response:
        while True:
            answer = requests.post(
                f"{self.stack.api_url}/v1/commands",
                json=body,
                headers={"Authorization": f"Bearer {self.stack.api_token}"},
                timeout=15,
            )
            if answer.status_code != 503:
                return answer
            time.sleep(0.2)

    def _break_things(self) -> None:
        self._wait_for(10)
        storm = {"kind": "status", "status": 429, "count": 6, "retry_after": "seconds", "retry_after_seconds": 1.0}
        self._control("POST", "faults", storm)
        self._happened("the vendor answers 429 six times")
        self._wait_for(20)
        self._kill_a_worker()
        self._wait_for(40)
        self.stack.restart_valkey()
        self._happened("Redis was killed and started again")

    def _kill_a_worker(self) -> None:
        gate = {"kind": "gate", "gate": "door", "operation": "stock/move", "count": 1}
        self._control("POST", "faults", gate)
        self._control("GET", "gates/door?arrived=1&timeout_seconds=30")
        self.stack.worker.kill()
        self._happened("the worker was killed while the vendor had its request")
        self._control("POST", "gates/door", {"open": True})
        self.stack.start_worker()
        self._happened("a new worker took over")

    def _wait_for(self, settled: int) -> None:
        deadline = time.monotonic() + DAY_SECONDS / 2
        while self.settled() < settled:
            if time.monotonic() > deadline:
                raise TimeoutError(f"fewer than {settled} commands settled")
            time.sleep(0.05)
