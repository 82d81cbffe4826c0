"""The outbox: what was stored is still there, in order, until it is delivered, withdrawn or refused."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from producers.outbox import (
    KEEP_DAYS,
    Capture,
    Outbox,
    OutboxError,
    OutboxState,
    OutboxView,
    Stored,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY_MS = 86_400_000
START_MS = 1_800_000_000_000


def _capture(name: str, *lanes: str) -> Capture:
    return Capture(name, lanes, START_MS, f'{{"name":"{name}"}}', f"move {name}", '{"device":"left"}')


def _store(outbox: Outbox, *names: str) -> None:
    outbox.store(*(_capture(name, f"part:{name}") for name in names))


def _find(outbox: OutboxView, key: str) -> Stored:
    stored = outbox.find(key)
    assert stored is not None
    return stored


def _due(outbox: Outbox, limit: int = 500) -> list[str]:
    return [stored.key for stored in outbox.due(limit)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "ST-01.sqlite3"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    with Outbox(path, "ST-01", clock_ms=lambda: START_MS) as outbox:
        yield outbox


@pytest.mark.parametrize(("column", "value"), [("lanes", "[["), ("lanes", "null"), ("state", "verifying")])
def test_a_damaged_row_is_the_outboxs_own_error_and_names_its_number(
    outbox: Outbox, path: Path, column: str, value: str
) -> None:
    _store(outbox, "one")
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(f"UPDATE outbox SET {column} = ?", (value,))  # noqa: S608  its own two names

    with pytest.raises(OutboxError, match="entry 1: lanes or state cannot be read"):
        outbox.find("one")


def test_what_was_stored_is_there_after_reopening_in_the_order_of_capture(path: Path) -> None:
    with Outbox(path, "ST-01") as outbox:
        _store(outbox, "one", "two", "three")

    with Outbox(path, "ST-01") as outbox:
        assert _due(outbox) == ["one", "two", "three"]
        assert outbox.count_undelivered() == 3
        assert outbox.due(1) == (
            Stored(
                seq=1,
                key="one",
                lanes=("part:one",),
                stock_timestamp=START_MS,
                body='{"name":"one"}',
                summary="move one",
                origin='{"device":"left"}',
                state=OutboxState.STORED,
                attempts=0,
                next_at_ms=0,
                last_error=None,
                result=None,
                sent_at_ms=None,
                offered=False,
            ),
        )


def test_a_key_is_stored_once_and_a_repetition_changes_nothing(outbox: Outbox) -> None:
    assert outbox.store(_capture("one"), _capture("two")) == (True, True)
    outbox.mark_sent(*outbox.due(1))

    assert outbox.store(_capture("two", "other"), _capture("one"), _capture("three")) == (False, False, True)
    assert _due(outbox) == ["two", "three"]
    assert _find(outbox, "two").lanes == ()


def test_what_stands_twice_in_one_call_is_stored_once(outbox: Outbox) -> None:
    assert outbox.store(_capture("one", "a", "a"), _capture("one", "a")) == (True, False)
    assert _find(outbox, "one").lanes == ("a",)


def test_what_shares_a_lane_with_a_postponed_one_waits_and_nothing_else(outbox: Outbox) -> None:
    outbox.store(_capture("stuck", "a"), _capture("free", "b"), _capture("both", "b", "a"), _capture("after", "b"))
    outbox.postpone(_find(outbox, "stuck"), 30, "relay: not now")

    assert _due(outbox) == ["free"]
    stuck = _find(outbox, "stuck")
    assert (stuck.attempts, stuck.next_at_ms, stuck.last_error) == (1, START_MS + 30_000, "relay: not now")


def test_an_entry_without_lanes_keeps_its_place_among_all(outbox: Outbox) -> None:
    outbox.store(_capture("before", "a"), _capture("wall"), _capture("behind", "b"))

    assert _due(outbox) == ["before", "wall", "behind"]
    assert _due(outbox, 1) == ["before"]
    outbox.postpone(_find(outbox, "before"), 30, "")
    assert _due(outbox) == []
    outbox.mark_sent(_find(outbox, "before"))
    outbox.postpone(_find(outbox, "wall"), 30, "")
    assert _due(outbox) == []
    outbox.mark_refused(_find(outbox, "wall"), "no")
    assert _due(outbox) == ["behind"]


def test_the_next_moment_is_that_of_the_first_that_waits_for_no_other(outbox: Outbox) -> None:
    assert outbox.next_due_ms() is None
    outbox.store(_capture("stuck", "a"), _capture("behind", "a"), _capture("wall"), _capture("last", "b"))
    assert outbox.next_due_ms() == 0
    outbox.postpone(_find(outbox, "stuck"), 30, "")
    assert outbox.next_due_ms() == START_MS + 30_000
    outbox.mark_sent(_find(outbox, "stuck"), _find(outbox, "behind"))
    outbox.postpone(_find(outbox, "wall"), 20, "")
    assert outbox.next_due_ms() == START_MS + 20_000


@pytest.mark.parametrize("days_back", [1, 365])
def test_a_clock_that_is_set_back_does_not_stop_what_is_postponed(path: Path, days_back: int) -> None:
    now_ms = START_MS
    with Outbox(path, "ST-01", clock_ms=lambda: now_ms) as outbox:
        outbox.store(_capture("laned", "a"), _capture("wall"))
        outbox.postpone(_find(outbox, "laned"), 10_000, "")
        outbox.postpone(_find(outbox, "wall"), 10_000, "")
        now_ms = START_MS + 599_999
        assert _due(outbox) == []
        now_ms = START_MS - days_back * DAY_MS
        assert _due(outbox) == ["laned", "wall"]


def test_a_restart_tries_at_once_whatever_was_postponed(path: Path) -> None:
    with Outbox(path, "ST-01", clock_ms=lambda: START_MS) as outbox:
        _store(outbox, "one")
        outbox.postpone(_find(outbox, "one"), 60.0, "relay away")

    with Outbox(path, "ST-01", clock_ms=lambda: START_MS) as outbox:
        (one,) = outbox.due(1)
        assert (one.next_at_ms, one.attempts, one.last_error) == (0, 1, "relay away")


def test_an_entry_can_be_taken_back_until_the_relay_may_have_it(path: Path) -> None:
    with Outbox(path, "ST-01") as outbox:
        outbox.store(_capture("undone", "a"), _capture("offered", "a"), _capture("sent", "b"))
        assert outbox.withdraw("undone")
        assert not outbox.withdraw("undone")
        assert not outbox.withdraw("unknown")
        assert [one.key for one in outbox.offer(outbox.due(10))] == ["offered", "sent"]
        outbox.mark_sent(_find(outbox, "sent"))
        assert not outbox.withdraw("offered")
        assert not outbox.withdraw("sent")

    with Outbox(path, "ST-01") as outbox:
        assert not outbox.withdraw("offered")  # the process that offered it may have been killed
        assert _due(outbox) == ["offered"]
        assert _find(outbox, "undone").state is OutboxState.WITHDRAWN


def test_an_offer_that_certainly_reached_nobody_can_be_taken_back_but_not_an_earlier_one(outbox: Outbox) -> None:
    outbox.store(_capture("seen", "a"))
    outbox.offer(outbox.due(10))
    outbox.store(_capture("unseen", "b"))
    second = outbox.due(10)
    outbox.offer(second)
    outbox.take_offer_back(second)

    assert not outbox.withdraw("seen")
    assert outbox.withdraw("unseen")


def test_what_was_withdrawn_after_it_was_due_is_not_offered(outbox: Outbox) -> None:
    _store(outbox, "one", "two")
    batch = outbox.due(10)
    outbox.withdraw("one")

    assert [stored.key for stored in outbox.offer(batch)] == ["two"]


def test_a_note_that_comes_late_does_not_undo_an_answer_or_disturb_its_lane(outbox: Outbox) -> None:
    outbox.store(_capture("one", "a"), _capture("two", "a"))
    (one,) = outbox.due(1)
    assert outbox.mark_answered("one", OutboxState.APPLIED, "") == one
    outbox.mark_sent(one)
    outbox.mark_refused(one, "late")
    outbox.postpone(one, 60, "late")

    one = _find(outbox, "one")
    assert (one.state, one.sent_at_ms, one.attempts) == (OutboxState.APPLIED, START_MS, 0)
    assert _due(outbox) == ["two"]


def test_an_answer_is_news_once_and_a_held_one_may_still_end_otherwise(outbox: Outbox) -> None:
    _store(outbox, "one", "refused")
    outbox.mark_sent(_find(outbox, "one"))
    outbox.mark_refused(_find(outbox, "refused"), "no")

    held = outbox.mark_answered("one", OutboxState.HELD, "look at it")
    assert held is not None
    assert outbox.mark_answered("one", OutboxState.HELD, "look at it") is None
    assert _find(outbox, "one").result == "look at it"
    assert outbox.mark_answered("one", OutboxState.APPLIED, "") is not None
    assert outbox.mark_answered("one", OutboxState.HELD, "an old event") is None
    assert _find(outbox, "one").state is OutboxState.APPLIED
    assert outbox.mark_answered("refused", OutboxState.APPLIED, "") is None
    assert outbox.mark_answered("unknown", OutboxState.APPLIED, "") is None


def test_a_delivered_entry_is_asked_about_until_its_time_is_over(outbox: Outbox) -> None:
    _store(outbox, "one", "two")
    outbox.mark_sent(*outbox.due(10))
    outbox.mark_answered("one", OutboxState.APPLIED, "")

    (two,) = outbox.unanswered()
    assert two.key == "two"
    assert outbox.unanswered(after_seq=two.seq) == ()
    assert outbox.stop_asking(before_ms=START_MS) == ()
    assert [stored.key for stored in outbox.stop_asking(before_ms=START_MS + 1)] == ["two"]
    assert outbox.unanswered() == ()
    assert outbox.mark_answered("two", OutboxState.REJECTED, "late, but an answer") is not None


def test_a_refused_entry_is_tried_again_before_what_waits_in_its_lanes(outbox: Outbox) -> None:
    outbox.store(_capture("refused", "a", "b"), _capture("in a", "a"), _capture("in b", "b"))
    outbox.mark_refused(_find(outbox, "refused"), "quantity: wrong")
    assert _find(outbox, "refused").result == "quantity: wrong"
    assert _due(outbox) == ["in a", "in b"]

    assert outbox.retry("refused")
    assert _due(outbox) == ["refused", "in a", "in b"]
    assert _due(outbox, 1) == ["refused"]
    outbox.postpone(_find(outbox, "refused"), 30, "")
    assert _due(outbox) == []
    assert outbox.retry("refused")  # now, and not in 30 seconds
    assert _due(outbox) == ["refused", "in a", "in b"]
    outbox.mark_sent(_find(outbox, "refused"))
    assert not outbox.retry("refused")
    assert not outbox.retry("unknown")


def test_the_entries_are_listed_by_state_and_age(outbox: Outbox) -> None:
    _store(outbox, *"abcdef")
    outbox.mark_sent(_find(outbox, "b"), _find(outbox, "e"))
    outbox.mark_refused(_find(outbox, "c"), "no")
    wanted = (OutboxState.SENT, OutboxState.REFUSED)

    assert [stored.key for stored in outbox.rows(*wanted)] == ["b", "c", "e"]
    assert [stored.key for stored in outbox.rows(*wanted, limit=2, newest_first=True)] == ["e", "c"]
    assert [stored.key for stored in outbox.rows(limit=2, after_seq=3)] == ["d", "e"]
    assert outbox.counts() == {OutboxState.STORED: 3, OutboxState.SENT: 2, OutboxState.REFUSED: 1}
    latest, first = outbox.latest(), outbox.first_undelivered()
    assert latest is not None
    assert latest.key == "f"
    assert first is not None
    assert first.key == "a"


def test_all_entries_are_gone_through_page_by_page(outbox: Outbox) -> None:
    _store(outbox, *(str(number) for number in range(1_203)))

    assert [stored.key for stored in outbox.every_row()] == [str(number) for number in range(1_203)]
    assert not list(outbox.every_row(OutboxState.SENT))


def test_it_can_be_looked_at_and_retried_beside_the_process_that_owns_it(outbox: Outbox, path: Path) -> None:
    _store(outbox, "one")
    with OutboxView(path) as view:
        _store(outbox, "two")
        outbox.mark_refused(_find(outbox, "one"), "no")
        assert view.counts() == {OutboxState.STORED: 1, OutboxState.REFUSED: 1}
        assert view.retry("one")

    assert _due(outbox) == ["one", "two"]


def test_a_short_text_of_the_owner_is_kept(path: Path) -> None:
    with Outbox(path, "ST-01") as outbox:
        assert outbox.recall("place") is None
        outbox.remember("place", "17")
        outbox.remember("place", "18")

    with Outbox(path, "ST-01") as outbox:
        assert outbox.recall("place") == "18"


def test_the_owners_tables_change_with_the_entries_or_not_at_all(path: Path) -> None:
    schema = "CREATE TABLE IF NOT EXISTS scan (raw TEXT);"
    with Outbox(path, "ST-01", schema=schema) as outbox:
        with outbox.changing() as database:
            database.execute("INSERT INTO scan VALUES ('kept')")
            assert outbox.add(database, _capture("one")) == (True,)
        with pytest.raises(OutboxError, match="no such table"):
            _change_and_fail(outbox, lambda database: database.execute("INSERT INTO nowhere VALUES (1)"))
        with pytest.raises(KeyError):
            _change_and_fail(outbox, lambda _: os.environ["NOT_SET_BY_ANYBODY"])
        assert outbox.find("lost") is None

    with Outbox(path, "ST-01", schema=schema) as outbox:
        with outbox.changing() as database:
            assert database.execute("SELECT raw FROM scan").fetchall() == [("kept",)]
        assert [stored.key for stored in outbox.every_row()] == ["one"]
        assert outbox.recall("lost") is None


def _change_and_fail(outbox: Outbox, fail: Callable[[sqlite3.Connection], object]) -> None:
    with outbox.changing() as database:
        outbox.add(database, _capture("lost"))
        outbox.remember("lost", "too")
        fail(database)


def test_threads_that_store_at_once_lose_and_double_nothing(outbox: Outbox) -> None:
    def store(name: int) -> None:
        for number in range(50):
            outbox.store(_capture(f"{name}-{number}", f"lane {number % 3}"))

    threads = [threading.Thread(target=store, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(_due(outbox)) == sorted(f"{name}-{number}" for name in range(4) for number in range(50))


def test_old_delivered_entries_go_but_nothing_undelivered_refused_or_newest_does(path: Path) -> None:
    names = ["refused", "rejected", "sent", "applied", "withdrawn", "stored", "newest"]
    with Outbox(path, "ST-01", clock_ms=lambda: START_MS) as outbox:
        _store(outbox, *names)
        outbox.mark_sent(*(_find(outbox, key) for key in ("rejected", "sent", "applied", "newest")))
        outbox.mark_answered("rejected", OutboxState.REJECTED, "no stock")
        outbox.mark_answered("applied", OutboxState.APPLIED, "")
        outbox.mark_refused(_find(outbox, "refused"), "wrong")
        outbox.withdraw("withdrawn")

    with Outbox(path, "ST-01", clock_ms=lambda: START_MS + KEEP_DAYS * DAY_MS) as outbox:
        assert [stored.key for stored in outbox.every_row()] == names
    with Outbox(path, "ST-01", clock_ms=lambda: START_MS + KEEP_DAYS * DAY_MS + 1) as outbox:
        assert [stored.key for stored in outbox.every_row()] == ["refused", "rejected", "stored", "newest"]
        assert outbox.forget_old() == 0


@pytest.mark.parametrize(
    "use",
    [
        lambda outbox: outbox.store(_capture("one")),
        lambda outbox: outbox.due(1),
        lambda outbox: outbox.counts(),
        lambda outbox: outbox.retry("one"),
    ],
)
def test_a_closed_outbox_gives_its_own_error(path: Path, use: Callable[[Outbox], object]) -> None:
    outbox = Outbox(path, "ST-01")
    outbox.close()
    outbox.close()

    with pytest.raises(OutboxError, match="closed"):
        use(outbox)
