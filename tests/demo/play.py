"""Playing the day: stations scan and senders call, while others make trouble."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis
import requests

from producers.outbox_view import OutboxView
from tasks.registry import command_type, parse_command
from tests import reaper
from tests.demo.scenario import PARTSBOX, STATIONS, VENDORS, label
from tests.demo.senders import FILE_NAME, returns, signed
from tests.ledgers import ENDED_STATES, OPEN_STATES, Ledgers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.demo.scenario import Day
    from tests.stack import Stack

#: The whole day must be over by then; a healthy run takes a third of it.
DAY_SECONDS = 100.0
#: A person scans no faster; it also keeps the stations' scans interleaved.
SCAN_GAP_SECONDS = 0.02
#: How long an interrupted player waits for its threads before the system is taken away from under them.
LEAVE_SECONDS = 5.0


class StoppedError(Exception):
    """The day was given up: a thread of it has nothing more to do."""


@dataclass
class Record:
    """What the producers were promised, and what was done to the system."""

    #: Key of a command -> the vendor whose ledger has it.
    promised: dict[str, str] = field(default_factory=dict)
    repeats: int = 0
    #: By the vendor that it was meant for.
    refused: list[tuple[str, str]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    #: Troubles that are no faults of a sandbox, in the same form.
    troubles: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class Player:
    """Plays one day on a running stack."""

    def __init__(self, stack: Stack, day: Day, folder: Path) -> None:
        self.stack = stack
        self.day = day
        self.record = Record()
        self.ledgers = Ledgers(stack.redis_url, VENDORS)
        self._folder = folder
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._stations: list[subprocess.Popen[str]] = []

    def play(
        self, troubles: Sequence[Callable[[Player], None]], show: Callable[[Counter[str], list[str]], None]
    ) -> None:
        """Play to the end; `show` gets the commands by state and the events so far.

        Raises TimeoutError when the day does not end. However it is left, no thread or station of it goes on.
        """
        threads = ThreadPoolExecutor(max_workers=len(STATIONS) + len(self.day.calls) + len(troubles) + 2)
        doing: list[Future[None]] = []
        try:
            doing += [threads.submit(self._run_station, name) for name in STATIONS]
            doing += [threads.submit(self._call, bodies) for bodies in self.day.calls.values()]
            doing += [threads.submit(self._send), threads.submit(self._drop)]
            doing += [threads.submit(trouble, self) for trouble in troubles]
            self._watch(doing, show)
        finally:
            self._leave(doing)
            threads.shutdown(wait=False, cancel_futures=True)

    def _watch(self, doing: list[Future[None]], show: Callable[[Counter[str], list[str]], None]) -> None:
        deadline = time.monotonic() + DAY_SECONDS
        while True:
            counts = self._counts()
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

    def _counts(self) -> Counter[str] | None:
        """Count the commands by state; None while Redis is away."""
        try:
            return sum(self.ledgers.counts().values(), Counter())
        except redis.RedisError:
            return None

    def unended(self) -> list[str]:
        """Describe the commands that did not end."""
        try:
            return [
                f"{vendor}: {entry}"
                for vendor in VENDORS
                for entry in self.ledgers.entries(vendor)
                if entry.state in OPEN_STATES
            ]
        except redis.RedisError as error:
            return [f"Redis cannot tell: {error}"]

    # for those who make trouble

    def control(self, vendor: str, method: str, path: str, body: Any = None) -> Any:
        """Call the control API of a vendor's sandbox."""
        answer = requests.request(method, f"{self.stack.control_urls[vendor]}/{path}", json=body, timeout=15)
        answer.raise_for_status()
        return answer.json()

    def happened(self, what: str) -> None:
        """Tell the person who watches."""
        with self._lock:
            self.record.events.append(what)

    def rest(self, seconds: float) -> None:
        """Sleep; raises StoppedError as soon as the day is given up."""
        if self._stopping.wait(seconds):
            raise StoppedError

    def wait_for(self, vendor: str, ended: int) -> None:
        """Return when so many commands of the vendor have ended; TimeoutError when they do not."""

        def enough() -> bool:
            try:
                counts = self.ledgers.counts()[vendor]
            except redis.RedisError:
                return False
            return sum(counts[state] for state in ENDED_STATES) >= ended

        self.wait_until(enough, f"fewer than {ended} commands of {vendor} ended")

    def wait_until(self, condition: Callable[[], bool], otherwise: str) -> None:
        """Return when the condition holds; TimeoutError with the text when it does not within half a day."""
        deadline = time.monotonic() + DAY_SECONDS / 2
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(otherwise)
            self.rest(0.05)

    # producers

    def _run_station(self, name: str) -> None:
        command = [sys.executable, "-m", "producers.scanner.main", "run", "--input", "stdin", "--station", name]
        command += ["--json", "--deliver", self.stack.api_url, "--outbox", str(self._folder / f"{name}.sqlite3")]
        # these operators scan the same labels every few seconds, and mean it
        command += ["--bounce-seconds", "0", "--repeat-seconds", "0", "--results-seconds", "0"]
        environment = {**self.stack.environment, "STOCKRELAY_STATION_TOKEN": STATIONS[name]}
        self.wait_until(self._directory_is_filled, "the directory was not filled")
        with self._started(command, environment) as station:
            assert station.stdin is not None
            assert station.stdout is not None
            for scan in self.day.scans[name]:
                station.stdin.write(scan + "\n")
                station.stdin.flush()
                self.rest(SCAN_GAP_SECONDS)
            station.stdin.close()
            for line in station.stdout:
                self._heard(name, json.loads(line))
        reaper.forget(station.pid)
        if station.returncode:
            self._refused(PARTSBOX, f"{name} ended with {station.returncode}")

    def _directory_is_filled(self) -> bool:
        """Tell whether a station would be told what an id stands for; before, it asks its operator."""
        vendor_id = label("order", "SO-2").rpartition("/I")[2]
        headers = {"Authorization": f"Bearer {self.stack.api_token}"}
        url = f"{self.stack.api_url}/v1/directory/ids/{vendor_id}"
        return requests.get(url, headers=headers, timeout=15).status_code == 200

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

    def _heard(self, name: str, line: dict[str, Any]) -> None:
        if line.get("tone") == "stored":
            with self._lock:
                self.record.promised[line["key"]] = PARTSBOX
        elif line.get("tone") == "error" or line.get("state") in ("refused", "rejected", "held"):
            self._refused(PARTSBOX, f"{name}: {line.get('message') or line.get('reason')}")

    def _refused(self, vendor: str, what: str) -> None:
        with self._lock:
            self.record.refused.append((vendor, what))

    def _call(self, bodies: list[dict[str, Any]]) -> None:
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {self.stack.api_token}"
            for body in bodies:
                answer = self._post(session, body)
                if answer.status_code not in (200, 202):
                    vendor = command_type(body["kind"]).vendor
                    self._refused(vendor, f"{body['kind']}: {answer.status_code} {answer.text}")
                    continue
                accepted = answer.json()
                with self._lock:
                    self.record.promised[accepted["key"]] = command_type(accepted["kind"]).vendor
                    self.record.repeats += answer.status_code == 200

    def _send(self) -> None:
        """Deliver the kanban system's events, each until it is taken."""
        with requests.Session() as session:
            for event_id, event in self.day.events:
                body, headers = signed(event_id, event)
                answer = session.post(f"{self.stack.api_url}/v1/hooks/kanban", data=body, headers=headers, timeout=15)
                while answer.status_code == 503:
                    self.rest(0.2)
                    answer = session.post(answer.url, data=body, headers=headers, timeout=15)
                found = answer.json().get("commands", []) if answer.ok else []
                if not found:
                    self._refused(PARTSBOX, f"webhook {event_id}: {answer.status_code} {answer.text}")
                with self._lock:
                    self.record.promised |= {command["key"]: PARTSBOX for command in found}
                    self.record.repeats += answer.status_code == 200

    def _drop(self) -> None:
        """Drop the file as careful senders do, and wait until it lies in done/; then its rows are promised."""
        drop = self._folder / "drop"
        draft = drop / "in" / f"{FILE_NAME}.part"
        draft.write_text(returns(self.day.rows))
        draft.rename(drop / "in" / FILE_NAME)
        self.wait_until(lambda: any((drop / "done").rglob(f"*{FILE_NAME}")), f"{FILE_NAME} was not processed")
        with OutboxView(Path(self.stack.environment["STOCKRELAY_FILES_OUTBOX"])) as outbox:
            bodies = [json.loads(stored.body) for stored in outbox.every_row()]
        for body in bodies:
            command = parse_command(body.pop("kind"), {k: v for k, v in body.items() if k != "idempotency_key"})
            with self._lock:
                self.record.promised[command.key()] = PARTSBOX

    def _post(self, session: requests.Session, body: dict[str, Any]) -> requests.Response:
        while True:
            answer = session.post(f"{self.stack.api_url}/v1/commands", json=body, timeout=15)
            if answer.status_code != 503:
                return answer
            self.rest(0.2)
