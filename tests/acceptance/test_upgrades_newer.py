"""What only a newer release knows waits for it, in its own lane; nothing dies of it and nothing else waits."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests

from producers.webhooks.drain import Origin
from producers.webhooks.held import HeldDelivery
from tasks.envelope import PARKED_STREAM, queue_of
from tasks.identity import derive_key
from tasks.ledger import Ledger
from tasks.presence import Process
from tasks.records import NewCommand
from tasks.stock import AddStock
from tasks.submit import to_new_command
from tests.acceptance.files_program import ledger_counts
from tests.acceptance.upgrade_harness import open_site
from tests.acceptance.webhooks_server import WebhooksServer
from tests.backing import ROOT
from tests.integration.hooks_harness import TOKEN
from tests.process import wait_until
from tests.releases import RELEASES
from tests.releases.code import Code
from tests.releases.producers import SPOOL, states
from tests.releases.scene import FIRST_MS, LOST_OWNER, PARTS, PARTSBOX, SHELF
from tests.releases.state import write_sqlite
from tests.sandbox.partsbox import id_for
from workers.newer import WAITS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.acceptance.upgrade_harness import Site
    from tests.conftest import SharedValkey

pytestmark = pytest.mark.timeout(400)

TODAY = Code(version("stockrelay"))
NEW_KIND: Final = "stock.add_sample"
RECORD: Final = f"sr:{{{PARTSBOX}}}:cmd:"


@pytest.fixture
async def site(valkey: SharedValkey, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path, valkey.url) as opened:
        yield opened


def newer(part: int, *, kind: str = AddStock.kind, **fields: Any) -> NewCommand:
    """Make a command as a newer producer would."""
    plain = AddStock(part_id=id_for("part", PARTS[part]), storage_id=SHELF, quantity=1, stock_timestamp=FIRST_MS + part)
    body = json.dumps({**plain.model_dump(mode="json", exclude_none=True), **fields})
    key = derive_key(kind, PARTSBOX, fields={**plain.identity(), **fields})
    return NewCommand(key, kind, body, f"a newer {kind}", plain.lanes(), "d" * 32)


async def admitted(ledger: Ledger, command: NewCommand) -> str:
    await ledger.admit([command])
    return command.key


async def told_by_newer(site: Site) -> dict[str, str]:
    """Accept what today's worker does not know; gives the keys by what is new about them."""
    ledger = Ledger(site.redis, PARTSBOX)
    keys = {
        "kind": await admitted(ledger, newer(0, kind=NEW_KIND)),
        "field": await admitted(ledger, newer(1, inspected_by="ada")),
        "format": await admitted(ledger, newer(2)),
        "kind in doubt": await admitted(ledger, newer(3, kind=NEW_KIND)),
    }
    await site.redis.hset(RECORD + keys["format"], "format", "2")
    await ledger.claim(keys["kind in doubt"], LOST_OWNER, 0.5)
    await ledger.intent(keys["kind in doubt"], LOST_OWNER, {})
    return keys


async def test_what_is_unknown_waits_in_its_lane_until_a_newer_worker_comes(site: Site) -> None:
    keys = await told_by_newer(site)
    (today,) = await site.workers(TODAY, [PARTSBOX])
    behind = [await site.submitter.submit(addition(part)) for part in range(4)]
    others = [await site.submitter.submit(addition(part)) for part in range(4, 8)]
    await site.until(lambda: all(site.sent()[one.key] == 1 for one in others), "the others are applied")
    await site.until(lambda: all(again(site, key) for key in keys.values()), "all were tried again")

    reasons = {name: site.fields(key)["reason"] for name, key in keys.items()}
    assert reasons == {
        "kind": f"{WAITS}: kind {NEW_KIND} is unknown",
        "field": f"{WAITS}: stock.add with inspected_by is unknown",
        "format": f"{WAITS}: format 2 of the record, and this one knows 1",
        "kind in doubt": f"{WAITS}: kind {NEW_KIND} is unknown",
    }
    assert [site.sent()[one.key] for one in behind] == [0, 0, 0, 0]
    for reason in set(reasons.values()):
        assert today.output().count(reason) == 1
    assert "parked" not in today.output()
    shown = {each["vendor"]: each for each in (await site.ask("status", "--json"))["vendors"]}[PARTSBOX]
    assert (shown["waiting_for_newer"], shown["dead_letters"], len(shown["blocked_lanes"])) == (4, 0, 4)
    assert "4 wait for a worker of a newer release" in await site.ask("status")
    assert {(await site.ask("show", key, "--json"))["state"] for key in keys.values()} == {"delayed", "in_doubt"}

    assert await asyncio.to_thread(today.stop) == 0
    await start_newer(site)
    await site.until_still()

    every = [*keys.values(), *(one.key for one in (*behind, *others))]
    assert site.sent() == dict.fromkeys(every, 1)
    for place, key in enumerate(keys.values()):
        assert site.carried_out(PARTS[place]) == [key, behind[place].key]


def addition(part: int) -> AddStock:
    """An addition that today's release knows, behind what a newer one asked of the part."""
    moment = FIRST_MS + 100 + part
    return AddStock(part_id=id_for("part", PARTS[part]), storage_id=SHELF, quantity=2, stock_timestamp=moment)


def again(site: Site, key: str) -> bool:
    found = site.fields(key)
    return int(found.get("waits", 0)) + int(found.get("looks", 0)) > 1


async def start_newer(site: Site) -> None:
    words = ("-m", "celery", "-q", "-A", "tests.releases.newer_worker", "worker", "-Q", queue_of(PARTSBOX))
    options = ("--without-mingle", "--without-gossip", "-n", "newer@%h", "--loglevel", "INFO")
    log = site.folder / "newer.log"
    await site.start(
        Code("newer", ROOT).process("newer", *words, *options, log=log, ready=" ready.", settings=site.settings)
    )


async def test_a_hint_in_an_unknown_envelope_is_parked_and_its_command_applied_all_the_same(site: Site) -> None:
    command = addition(0)
    key = await admitted(Ledger(site.redis, PARTSBOX), to_new_command(command, command.key(), "erp"))
    hint = json.loads(str(await site.redis.lpop(queue_of(PARTSBOX))))
    hint["headers"] = {"protocol": 3, "command": {"kind": command.kind, "key": key}}
    await site.redis.lpush(queue_of(PARTSBOX), json.dumps(hint))

    await site.workers(TODAY, [PARTSBOX])
    await site.until_still()

    assert site.sent() == {key: 1}
    parked: Any = await site.redis.xrange(PARKED_STREAM)
    assert [fields["reason"] for _, fields in parked] == ["no task header"]


async def test_a_spool_of_a_newer_release_waits_for_it_and_holds_nobody_up(
    valkey: SharedValkey, tmp_path: Path
) -> None:
    spool = tmp_path / SPOOL
    write_sqlite((RELEASES[-1] / f"{SPOOL}.sql").read_text(), spool)
    for seq, column, name, value in (
        (1, "body", "kind", NEW_KIND),
        (2, "body", "inspected_by", "ada"),
        (3, "origin", "rack", "A"),
    ):
        change = f"UPDATE outbox SET {column} = json_set({column}, '$.{name}', ?) WHERE seq = ?"  # noqa: S608
        with closing(sqlite3.connect(spool)) as database, database:
            database.execute(change, (value, seq))

    with WebhooksServer(tmp_path, valkey.url) as server:
        await asyncio.to_thread(wait_until, lambda: "sent" in states(spool), "what is known is handed over")
        await asyncio.to_thread(wait_until, lambda: postponed(spool) == [1, 2], "the others were tried")
        told = await asyncio.to_thread(asked, server, spool)

    assert [(one["kind"], one["vendor"], one["state"]) for one in told] == [
        (NEW_KIND, PARTSBOX, "spooled"),
        (AddStock.kind, PARTSBOX, "spooled"),
    ]
    assert all(one["reason"].startswith(WAITS) for one in told)
    assert states(spool) == ["stored", "stored", "sent"]
    assert ledger_counts(valkey.url)["ready"] == 1


def asked(server: WebhooksServer, spool: Path) -> list[dict[str, Any]]:
    """Ask the server, as the client does, what became of the two that wait."""
    with closing(sqlite3.connect(spool)) as database:
        keys = [key for (key,) in database.execute("SELECT key FROM outbox WHERE seq < 3 ORDER BY seq")]
    found = []
    for key in keys:
        answer = requests.get(
            f"{server.url}/v1/commands/{key}", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60
        )
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
    return found


def postponed(spool: Path) -> list[int]:
    with closing(sqlite3.connect(spool)) as database:
        found = database.execute(
            "SELECT seq FROM outbox WHERE last_error LIKE 'waits for a newer release%' ORDER BY seq"
        )
        return [seq for (seq,) in found]


@pytest.mark.parametrize(
    "kept",
    [
        HeldDelivery("msg_1", "shop", FIRST_MS, "no rule fits", {}, b"{}"),
        Origin("erp", event_key="key", place=1),
        Process("worker", (PARTSBOX,), "host-1", 7, "0.1.0", FIRST_MS, 0),
    ],
    ids=lambda kept: type(kept).__name__,
)
def test_a_note_with_more_in_it_than_today_knows_is_read(kept: HeldDelivery | Origin | Process) -> None:
    text = json.dumps({**json.loads(kept.to_json()), "later": 1})

    assert type(kept).from_json(text) == kept
