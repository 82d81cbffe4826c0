"""The senders of a chaos run: each posts its lanes' commands in order, and again until they are promised."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import requests

from tests.chaos.record import StoppedError

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from tests.chaos.commands import Asked
    from tests.chaos.record import Record
    from tests.stack import Stack

SENDERS: Final = 8
PROMISED: Final = (HTTPStatus.OK, HTTPStatus.ACCEPTED)
#: An answer that was not given, or that promises nothing and says so.
AGAIN: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
PAUSE_SECONDS: Final = 0.2
ANSWER_SECONDS: Final = 15.0


def shared_out(asked: Sequence[Asked]) -> list[list[tuple[int, Asked]]]:
    """Give each sender whole lanes, in order; with each command its place among all."""
    lanes = {lane: number % SENDERS for number, lane in enumerate(dict.fromkeys(one.lane for one in asked))}
    found: list[list[tuple[int, Asked]]] = [[] for _ in range(SENDERS)]
    for place, one in enumerate(asked):
        found[lanes[one.lane]].append((place, one))
    return found


class Sender:
    """Posts its share over so many seconds; StoppedError when the run is given up."""

    def __init__(self, stack: Stack, record: Record, stopping: threading.Event, gap_seconds: float) -> None:
        self._url = f"{stack.api_url}/v1/commands"
        self._headers = {"Authorization": f"Bearer {stack.api_token}"}
        self._record = record
        self._stopping = stopping
        self._gap_seconds = gap_seconds

    def post_all(self, share: Sequence[tuple[int, Asked]]) -> None:
        """Post each when its turn among all has come, however late the one before it was."""
        with requests.Session() as session:
            session.headers.update(self._headers)
            for place, asked in share:
                self._rest(place * self._gap_seconds - self._record.now())
                self._post(session, asked)

    def _post(self, session: requests.Session, asked: Asked) -> None:
        posts = 0
        while True:
            posts += 1
            answer = self._try(session, asked)
            if answer is not None and answer.status_code not in AGAIN:
                break
            self._rest(PAUSE_SECONDS)
        if answer.status_code not in PROMISED:
            self._record.was_refused(f"{asked.body['kind']} {asked.key}: {answer.status_code} {answer.text[:300]}")
        elif answer.json()["key"] != asked.key:
            self._record.was_refused(f"{asked.body['kind']} {asked.key} was promised as {answer.json()['key']}")
        else:
            self._record.was_promised(posts)

    def _try(self, session: requests.Session, asked: Asked) -> requests.Response | None:
        try:
            return session.post(self._url, json=asked.body, timeout=ANSWER_SECONDS)
        except requests.RequestException:
            return None

    def _rest(self, seconds: float) -> None:
        if self._stopping.wait(max(seconds, 0)):
            raise StoppedError
