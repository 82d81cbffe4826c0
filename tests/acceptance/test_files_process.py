"""`stockrelay-files` as a process: starting, refusing to start, stopping, and every row once through all of it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.files_program import CONFIG, HEADER, FilesProgram, rows, run
from tests.process import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MakeValkey, SharedValkey

#: Longer than any of these tests takes on a busy machine.
PATIENCE_SECONDS = 180.0


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"STOCKRELAY_FILES_OUTBX": "x"}, "STOCKRELAY_FILES_OUTBX: unknown"),
        ({"STOCKRELAY_FILES_CONFIG": "no-such.toml"}, "no-such.toml: cannot be read"),
        ({"STOCKRELAY_LEDGER_RETENTION_DAYS": "0"}, "STOCKRELAY_LEDGER_RETENTION_DAYS"),
        ({"REDIS_URL": "http://redis.example"}, "REDIS_URL: must be redis:// or rediss://"),
    ],
)
def test_wrong_settings_are_named_by_check_too(variables: dict[str, str], named: str, tmp_path: Path) -> None:
    ended = run("run", "--check", folder=tmp_path, environment={**os.environ, **variables})

    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (2, "", 1), ended.stderr
    assert named in ended.stderr


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ('kind = "stock.ad"', "feeds.goods-in.kind: no command that may be asked for"),
        ('kind = "stock.add"\npatern = "*"', "feeds.goods-in.patern: unknown key"),
    ],
)
def test_a_wrong_feed_is_named(wrong: str, named: str, tmp_path: Path) -> None:
    config = CONFIG.replace('kind = "stock.add"', wrong)

    ended = FilesProgram(tmp_path, "redis://127.0.0.1:1/0", config=config).ask("run", "--check")

    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1), ended.stderr
    assert named in ended.stderr


def test_check_and_feeds_show_what_becomes_of_a_row_and_touch_nothing(tmp_path: Path) -> None:
    program = FilesProgram(tmp_path, "redis://127.0.0.1:1/0")
    before = sorted(tmp_path.iterdir())

    checked, listed = program.ask("run", "--check"), program.ask("feeds")

    line = "goods-in: drop/in/*.csv (csv) -> stock.add, all-or-nothing\n"
    assert (checked.returncode, checked.stdout) == (0, f"{line}settings are good\n")
    assert (listed.returncode, listed.stdout) == (0, line)
    assert sorted(tmp_path.iterdir()) == before


def test_a_redis_that_loses_commands_was_a_traceback(make_valkey: MakeValkey, tmp_path: Path) -> None:
    server = make_valkey({"appendfsync": "everysec"})

    ended = FilesProgram(tmp_path, server.url).ask("run")

    assert ended.returncode == 2
    assert "appendfsync is 'everysec', needs 'always'" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("which", ["same", "linked"])
def test_two_feeds_with_one_folder_are_refused(which: str, tmp_path: Path) -> None:
    path = "drop"
    if which == "linked":
        (tmp_path / "linked").symlink_to(tmp_path / "drop")
        path = "linked"
    other = CONFIG.replace("feeds.goods-in", "feeds.other").replace('"drop"', f'"{path}"')

    ended = FilesProgram(tmp_path, "redis://127.0.0.1:1/0", config=CONFIG + other).ask("run")

    assert ended.returncode == 2
    assert "two have the same path" in ended.stderr


def test_a_second_program_on_the_same_folder_is_refused(tmp_path: Path, valkey: SharedValkey) -> None:
    with FilesProgram(tmp_path, valkey.url) as program:
        second = {**program.environment, "STOCKRELAY_FILES_OUTBOX": str(tmp_path / "second.sqlite3")}
        ended = run("run", folder=tmp_path, environment=second)

    assert ended.returncode == 2
    assert "another process works on this folder" in ended.stderr


def test_without_feeds_it_idles_until_sigterm(tmp_path: Path, valkey: SharedValkey) -> None:
    with FilesProgram(tmp_path, valkey.url, config=None) as program:
        assert program.running
        assert program.stop() == 0
    assert "server.stopped" in program.output()


def test_files_that_arrive_while_it_is_frozen_are_all_processed_once(tmp_path: Path, valkey: SharedValkey) -> None:
    with FilesProgram(tmp_path, valkey.url) as program:
        program.stop_signal()
        for number in range(1, 3001):
            program.put(f"{number:05d}.csv", HEADER + rows(number, number + 1))
        program.cont()
        wait_until(lambda: program.commands() >= 3000 and not program.left(), "all rows", PATIENCE_SECONDS)

        assert program.quantities() == list(range(1, 3001))
        assert program.stop() == 0
    assert len(program.done()) == 3000


def test_files_that_arrive_while_redis_is_away_are_processed_when_it_is_back(
    tmp_path: Path, make_valkey: MakeValkey
) -> None:
    server = make_valkey()
    with FilesProgram(tmp_path, server.url) as program:
        server.kill()
        for number in range(1, 101):
            program.put(f"{number}.csv", HEADER + rows(number, number + 1))
        wait_until(lambda: len(program.done()) == 100, "all files are read without Redis", PATIENCE_SECONDS)
        assert "rows.wait" in program.output()
        server.start()
        wait_until(lambda: program.commands() >= 100, "all rows", PATIENCE_SECONDS)

        assert program.quantities() == list(range(1, 101))
        assert program.stop() == 0


def test_a_program_killed_in_the_middle_of_a_file_stores_every_row_once(tmp_path: Path, valkey: SharedValkey) -> None:
    program = FilesProgram(tmp_path, valkey.url)
    program.put("big.csv", HEADER + rows(1, 20_001))
    at = 0
    with program:
        for _ in range(4):
            # at most so far, since a fast machine may have it all in the ledger by then
            wanted = min(at + 2_500, 19_000)
            _until_in_the_ledger(program, wanted)
            program.kill()
            at = program.commands()
            program.start()
        wait_until(lambda: program.commands() >= 20_000 and not program.left(), "all rows", PATIENCE_SECONDS)

        assert program.quantities() == list(range(1, 20_001))
        assert program.stop() == 0
    shown = json.loads(program.ask("ledger", "show", "big.csv").stdout)
    assert shown["state"] == "done"
    assert shown["rows"] == {"stored": 20_000, "known": 0, "refused": 0, "left_out": 0}


def _until_in_the_ledger(program: FilesProgram, count: int) -> None:
    wait_until(lambda: program.commands() >= count, f"{count} rows in the ledger", PATIENCE_SECONDS)


def test_sigterm_in_the_middle_of_a_file_leaves_it_for_the_next_start(tmp_path: Path, valkey: SharedValkey) -> None:
    program = FilesProgram(tmp_path, valkey.url)
    program.put("big.csv", HEADER + rows(1, 20_001))
    with program:
        wait_until(lambda: program.commands() > 0, "the first rows", PATIENCE_SECONDS)
        assert program.stop() == 0
    first = program.output()

    ended = program.ask("run", "--once")

    assert "Traceback" not in first + ended.stderr
    assert ended.returncode == 0
    assert program.quantities() == list(range(1, 20_001))


def test_once_processes_what_is_there_and_says_by_its_exit_code_what_became_of_it(
    tmp_path: Path, make_valkey: MakeValkey
) -> None:
    server = make_valkey()
    program = FilesProgram(tmp_path, server.url)
    codes = [program.ask("run", "--once").returncode]
    program.put("good.csv", HEADER + rows(1, 4))
    codes.append(program.ask("run", "--once").returncode)
    program.put("bad.csv", HEADER + "many,x\n")
    codes.append(program.ask("run", "--once").returncode)

    assert codes == [0, 0, 1]
    assert program.quantities() == [1, 2, 3]


def test_once_waited_for_ever_for_a_file_without_its_marker(tmp_path: Path, valkey: SharedValkey) -> None:
    program = FilesProgram(tmp_path, valkey.url, config=CONFIG.replace("poll_", "done_marker = true\npoll_"))
    program.put("asn.csv", HEADER + rows(1, 4))

    ended = program.ask("run", "--once")

    assert ended.returncode == 0
    assert program.left() == ["asn.csv"]


def test_once_waited_for_ever_for_a_file_that_stays_open(tmp_path: Path, valkey: SharedValkey) -> None:
    program = FilesProgram(tmp_path, valkey.url)
    program.put("asn.csv", HEADER + rows(1, 4))
    with (program.drop / "in" / "asn.csv").open("a"):
        ended = program.ask("run", "--once")

    assert ended.returncode == 75
    assert program.left() == ["asn.csv"]


def test_the_tools_show_check_and_put_back_a_file(tmp_path: Path, valkey: SharedValkey) -> None:
    program = FilesProgram(tmp_path, valkey.url, config=CONFIG.replace("poll_", "done_marker = true\npoll_"))
    bad = tmp_path / "bad.csv"
    bad.write_text(HEADER + rows(1, 3) + "many,x\n")
    tried = program.ask("check", str(bad))
    program.put("bad.csv", bad.read_text())
    program.put("bad.csv.done", "")
    assert program.ask("run", "--once").returncode == 1

    listed = json.loads(program.ask("ledger", "ls", "--json").stdout)
    shown = json.loads(program.ask("ledger", "show", "bad.csv").stdout)
    back = program.ask("retry", "bad.csv")
    again = program.ask("retry", "bad.csv")
    unknown = program.ask("ledger", "show", "other.csv")

    assert tried.returncode == 1
    assert "nothing of it would be stored" in tried.stdout
    assert (listed["file"], listed["state"]) == ("bad.csv", "failed")
    assert [(row["line"], row["column"], row["value"]) for row in shown["refused"]] == [(4, "quantity", "many")]
    assert (back.returncode, back.stdout) == (0, f"bad.csv is back in {program.drop / 'in'}\n")
    assert program.left() == ["bad.csv", "bad.csv.done"]
    assert again.returncode == 2
    assert "is not there any more" in again.stderr
    assert unknown.returncode == 2
    assert "no file is called other.csv" in unknown.stderr
