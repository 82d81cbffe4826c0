"""What another release wrote, and another release that runs beside this one: nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from importlib.metadata import version
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

import pytest
import requests
from pydantic import TypeAdapter

from tasks.presence import KEY
from tasks.stock import AddStock
from tests.acceptance.files_program import FilesProgram, ledger_counts
from tests.acceptance.station_harness import TOKEN as STATION_TOKEN
from tests.acceptance.station_harness import Bench, FakeRelay
from tests.acceptance.upgrade_harness import open_site
from tests.acceptance.webhooks_server import WebhooksServer
from tests.backing import ROOT
from tests.integration.hooks_harness import TOKEN
from tests.process import free_port, wait_until
from tests.releases import RELEASES
from tests.releases.code import Code, pack
from tests.releases.producers import ENTRIES, FILES, OUTBOX, SPOOL, spooled_bodies, states
from tests.releases.scene import FIRST_MS, PARTIUM, PARTS, PARTSBOX, SHELF, land, played
from tests.releases.state import write_redis, write_sqlite
from tests.sandbox.partsbox import id_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.acceptance.upgrade_harness import Site
    from tests.conftest import SharedValkey

pytestmark = pytest.mark.timeout(400)

TODAY = Code(version("stockrelay"))
each_release = pytest.mark.parametrize("release", RELEASES, ids=[release.name for release in RELEASES])
#: Of the scene: what PartsBox has still to carry out, each once.
TO_DO = ("ready", "waiting", "delayed", "claimed", "sent and lost", "being looked up")
#: What a person redrives first.
DEAD = ("held", "rejected")


@pytest.fixture
async def site(valkey: SharedValkey, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path, valkey.url) as opened:
        yield opened


@pytest.fixture
def old(release: Path, tmp_path: Path) -> Code:
    return Code.unpacked(release, tmp_path / "old")


def stock(number: int) -> AddStock:
    """The additions to a part follow one another in its lane; quantities tell them apart."""
    part = id_for("part", PARTS[number % len(PARTS)])
    return AddStock(part_id=part, storage_id=SHELF, quantity=1 + number, stock_timestamp=FIRST_MS + number)


async def restored(site: Site, release: Path) -> dict[str, str]:
    """Put the ledger of a release back; gives the keys of its scene by name."""
    found = json.loads((release / "redis.json").read_text())
    await write_redis(site.redis, found)
    keys: dict[str, str] = json.loads((release / "keys.json").read_text())
    return keys


async def finish(site: Site, keys: dict[str, str], code: Code) -> None:
    """Let workers of some code finish a scene, and see that each of its commands came to its one end."""
    landed = keys["sent and landed"]
    land(site.partsbox, json.loads(site.fields(landed)["command"]), landed)
    letters = await site.ask("dead-letters", "list", "--json")
    assert {letter["key"] for letter in letters["dead_letters"]} == {keys[name] for name in DEAD}
    applied = await site.ask("show", keys["applied"], "--json")
    assert (applied["state"], applied["receipt"]["entries"][0]["quantity"]) == ("applied", 20)

    await site.ask("resume", PARTIUM, code=code)
    await site.workers(code)
    assert await site.releases_seen() >= {code.version}
    await site.until_still(waiting=1)
    for name in DEAD:
        await site.ask("dead-letters", "replay", keys[name], "--by", "ada", code=code)
        await site.until_still()

    assert {name: site.sent()[keys[name]] for name in (*TO_DO, *DEAD)} == dict.fromkeys((*TO_DO, *DEAD), 1)
    assert {name: site.sent()[keys[name]] for name in ("applied", "cancelled", "sent and landed")} == {
        "applied": 0,
        "cancelled": 0,
        "sent and landed": 0,
    }
    assert (site.fields(landed)["state"], site.fields(landed)["reason"]) == ("applied", "found at the vendor")
    assert {id_: len(site.partium.journal.effects_on(id_)) for id_ in ("L-0", "L-1", "A-1", "B-0", "R-1")} == {
        "L-0": 1,
        "L-1": 1,
        "A-1": 1,
        "B-0": 0,
        "R-1": 0,
    }
    made = [part for part in site.partsbox.state.parts.values() if part["part/name"] == "D-ROUTED"]
    assert (len(made), site.fields(keys["routed"], "routing")["state"]) == (1, "applied")
    assert {state for counts in site.counts().values() for state, count in counts.items() if count} == {
        "applied",
        "cancelled",
    }


@each_release
async def test_the_ledger_of_a_release_is_finished_by_the_code_of_today(site: Site, release: Path) -> None:
    keys = await restored(site, release)
    for row in await site.redis.zrange(KEY, 0, -1):
        await site.redis.zadd(KEY, {str(row): time.time() * 1000})
    assert release.name in await site.releases_seen()

    await finish(site, keys, TODAY)


@each_release
async def test_the_ledger_of_today_is_finished_by_a_release_after_a_step_back(site: Site, old: Code) -> None:
    keys = await played(site.redis)

    await finish(site, keys, old)


@each_release
async def test_a_worker_of_a_release_applies_what_the_producer_of_today_admits(site: Site, old: Code) -> None:
    await site.workers(old, [PARTSBOX])
    assert await site.releases_seen() == {old.version}

    keys = [(await site.submitter.submit(stock(number))).key for number in range(20)]
    await site.until_still()

    assert site.sent() == dict.fromkeys(keys, 1)
    loaded = await asyncio.to_thread(loaded_files, old, site)
    assert loaded == [str(old.folder / "workers/main.py"), str(old.folder / "tasks/ledger.py")]


def loaded_files(code: Code, site: Site) -> list[str]:
    """Ask the code's own environment where its modules come from."""
    told = "import workers.main, tasks.ledger; print(workers.main.__file__, tasks.ledger.__file__)"
    ended = subprocess.run(
        [sys.executable, "-c", told],
        env=code.environment(site.settings),
        cwd=code.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.split()


@each_release
async def test_a_worker_of_today_applies_what_the_webhooks_server_of_a_release_accepts(site: Site, old: Code) -> None:
    await site.workers(TODAY, [PARTSBOX])
    port = free_port()
    settings = {
        **site.settings,
        "STOCKRELAY_WEBHOOKS_PORT": str(port),
        "STOCKRELAY_WEBHOOKS_TOKENS": f"erp:{TOKEN}",
        "STOCKRELAY_WEBHOOKS_SPOOL": str(site.folder / SPOOL),
    }
    words = ("-m", "producers.webhooks.main", "run")
    log = site.folder / "webhooks.log"
    await site.start(old.process("webhooks", *words, log=log, ready="server.listening", settings=settings))

    answers = [await asyncio.to_thread(post, port, body) for body in spooled_bodies()]
    await site.until_still()

    assert site.sent() == dict.fromkeys([answer["key"] for answer in answers], 1)
    shown = await site.ask("status", "--json")
    assert {one["release"] for one in shown["processes"] if one["role"] == "webhooks"} == {old.version}


def post(port: int, body: dict[str, Any]) -> dict[str, Any]:
    url = f"http://127.0.0.1:{port}/v1/commands"
    answer = requests.post(url, json=body, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
    assert answer.status_code == 202, answer.text
    return TypeAdapter(dict[str, Any]).validate_python(answer.json())


@each_release
async def test_both_releases_on_one_queue_lose_and_double_nothing_when_workers_are_killed(
    site: Site, old: Code
) -> None:
    (first_old,), (first_new,) = await site.workers(old, [PARTSBOX]), await site.workers(TODAY, [PARTSBOX])
    assert await site.releases_seen() == {old.version, TODAY.version}
    keys = []
    for number in range(120):
        keys.append((await site.submitter.submit(stock(number))).key)
        if number == 40:
            await asyncio.to_thread(first_old.kill)
            await site.workers(old, [PARTSBOX], "-again")
        if number == 80:
            await asyncio.to_thread(first_new.kill)
            await site.workers(TODAY, [PARTSBOX], "-again")
    await site.until_still()

    assert site.sent() == dict.fromkeys(keys, 1)
    for part, name in enumerate(PARTS):
        assert site.carried_out(name) == keys[part :: len(PARTS)]
    assert site.counts()[PARTSBOX]["applied"] == len(keys)
    assert any(reason.startswith("its worker was lost") for reason in site.reasons())


@each_release
async def test_what_producers_of_a_release_kept_is_handed_over_once(
    valkey: SharedValkey, release: Path, tmp_path: Path
) -> None:
    folders = {name: tmp_path / name.partition(".")[0] for name in (SPOOL, FILES, OUTBOX)}
    for name, folder in folders.items():
        folder.mkdir()
        write_sqlite((release / f"{name}.sql").read_text(), folder / name)
        assert states(folder / name) == ["stored"] * ENTRIES
    tokens = {"STOCKRELAY_WEBHOOKS_TOKENS": f"erp:{TOKEN},ST-01:{STATION_TOKEN}"}

    for _ in range(2):
        with WebhooksServer(folders[SPOOL], valkey.url, **tokens) as server, FilesProgram(folders[FILES], valkey.url):
            station = Bench(folders[OUTBOX], FakeRelay(server.port))
            code, _ = await station.play(b"")
            assert code == 0
            await asyncio.to_thread(
                wait_until, lambda: sum(ledger_counts(valkey.url).values()) == 3 * ENTRIES, "all are in the ledger"
            )
    for name, folder in folders.items():
        assert set(states(folder / name)) <= {"sent", "unanswered"}, name
    assert sum(ledger_counts(valkey.url).values()) == 3 * ENTRIES


def test_this_version_is_recorded_too() -> None:
    assert TODAY.version in [release.name for release in RELEASES], "run: python -m tests.releases record"


@each_release
def test_nothing_of_the_machine_that_recorded_it_is_kept(release: Path) -> None:
    texts = {path.name: path.read_text() for path in release.iterdir() if path.suffix != ".zip"}

    local = ("127.0.0.1", gettempdir(), str(ROOT))
    assert [(name, word) for name, text in texts.items() for word in local if word in text] == []
    assert set(texts) == {"redis.json", "keys.json", *(f"{name}.sql" for name in (SPOOL, FILES, OUTBOX))}


def test_the_same_code_is_packed_into_the_same_bytes(tmp_path: Path) -> None:
    packed = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        pack(tmp_path / name)
        packed.append((tmp_path / name / "code.zip").read_bytes())

    assert packed[0] == packed[1]
