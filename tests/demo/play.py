"""Playing the day: stations scan, a sender calls, and meanwhile connections, a worker and Redis die."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import redis
import requests

from tests import reaper
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
#: How long an interrupted player waits for its threads before the system is taken away from under them.
LEAVE_SECONDS = 5.0
OPEN_STATES = ("waiting", "ready", "sending", "delayed", "in_doubt")
LEDGER = "sr:{partsbox}:"


class StoppedError(Exception):
    """The day was given up: a thread of it has nothing more to do."""


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
        self._stopping = threading.Event()
        self._stations: list[subprocess.Popen[str]] = []

    def play(self, show: Callable[[Counter[str], list[str]], None]) -> None:
        """Play to the end; `show` gets the commands by state and the events so far.

        Raises TimeoutError when the day does not end. However it is left, no thread or station of it goes on.
        """
        self._lose_answers()
        threads = ThreadPoolExecutor(max_workers=len(STATIONS) + 2)
        doing: list[Future[None]] = []
        try:
            doing += [threads.submit(self._run_station, name) for name in STATIONS]
            doing.append(threads.submit(self._call))
            doing.append(threads.submit(self._break_things))
            self._watch(doing, show)
        finally:
            self._leave(doing)
            threads.shutdown(wait=False, cancel_futures=True)
        self.record.faults = self._control("GET", "faults")

    def _watch(self, doing: list[Future[None]], show: Callable[[Counter[str], list[str]], None]) -> None:
        deadline = time.monotonic() + DAY_SECONDS
        while True:
            counts = self.counts()
            if counts is not None:
                show(counts, self.record.events)
            for task in doing:
                if task.done():
                    task.result()
            if counts is not None and all(task.done() for task in doing) and not any(counts[s] for s in OPEN_STATES):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"the day did not end within {DAY_SECONDS:g} s")
            time.sleep(0.1)

    def _leave(self, doing: list[Future[None]]) -> None:
        self._stopping.set()
        with self._lock:
            for station in self._stations:
                station.kill()
        wait(doing, LEAVE_SECONDS)

    def counts(self) -> Counter[str] | None:
        """Count the commands by state; None while Redis is away."""
        try:
            with self._ledger() as ledger:
                found = ledger.hgetall(f"{LEDGER}counts")
        except redis.RedisError:
            return None
        return Counter({state: int(count) for state, count in found.items()})

    def unended(self) -> list[str]:
        """Describe the commands that did not end: kind, key, state and reason."""
        try:
            with self._ledger() as ledger:
                names = sorted(map(str, ledger.scan_iter(f"{LEDGER}cmd:*", count=1000)))
                found = [(name, *ledger.hmget(name, "kind", "state", "reason")) for name in names]
        except redis.RedisError as error:
            return [f"Redis cannot tell: {error}"]
        return [
            f"{kind} {name.rsplit(':', 1)[1]} is {state}" + (f": {reason}" if reason else "")
            for name, kind, state, reason in found
            if state in OPEN_STATES
        ]

    def _ledger(self) -> redis.Redis:
        return redis.Redis.from_url(self.stack.redis_url, decode_responses=True, socket_timeout=2)

    def settled(self) -> int:
        """Count the commands that ended."""
        counts = self.counts() or Counter()
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
        with self._started(command, environment) as station:
            assert station.stdin is not None
            assert station.stdout is not None
            for scan in self.day.scans[name]:
                station.stdin.write(scan + "\n")
                station.stdin.flush()
                self._rest(SCAN_GAP_SECONDS)
            station.stdin.close()
            for line in station.stdout:
                self._heard(name, json.loads(line))
        reaper.forget(station.pid)
        if station.returncode:
            self._refused(f"{name} ended with {station.returncode}")

    def _started(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopping.is_set():
                raise StoppedError
            # a session of its own: Ctrl-C in the terminal is the player's to handle
            station = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
                start_new_session=True,
            )
            reaper.register(station.pid)
            self._stations.append(station)
        return station

    def _rest(self, seconds: float) -> None:
        """Sleep; raises StoppedError as soon as the day is given up."""
        if self._stopping.wait(seconds):
            raise StoppedError

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
            self._rest(0.2)

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
        self._wait_until(lambda: self._control("GET", "gates/door")["arrived"] > 0, "no move is at the vendor")
        self.stack.worker.kill()
        self._happened("the worker was killed while the vendor had its request")
        self._control("POST", "gates/door", {"open": True})
        self.stack.start_worker()
        self._happened("a new worker took over")

    def _wait_for(self, settled: int) -> None:
        self._wait_until(lambda: self.settled() >= settled, f"fewer than {settled} commands settled")

    def _wait_until(self, condition: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + DAY_SECONDS / 2
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(otherwise)
            self._rest(0.05)
