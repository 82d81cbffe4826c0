"""What a person does at a terminal: trying rules on a file, looking at what is held, and having it tried again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from click.testing import CliRunner

from producers.webhooks.main import main
from tests.acceptance.webhooks_server import WebhooksServer
from tests.integration.hooks_harness import BEARER, CONFIG, ENVIRON, picked, signed
from tests.unit.webhook_senders import SECRET, STANDARD_SECRET, github

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import MakeValkey, SharedValkey


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


def ran(server: WebhooksServer, *words: str) -> Ended:
    """Run the command line in this process, which is quicker to start than another."""
    found = CliRunner().invoke(main, words, env=server.environment)
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    return Ended(found.exit_code, found.stdout, found.stderr)


async def desk(server: WebhooksServer, *words: str) -> Ended:
    """Run it beside the test's event loop: it has one of its own."""
    return await asyncio.to_thread(ran, server, "dead", *words)


async def posted(server: WebhooksServer, body: bytes, headers: dict[str, str], source: str = "repo") -> dict[str, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/v1/hooks/{source}", data=body, headers=headers) as answer,
    ):
        assert answer.status in (200, 202), await answer.text()
        found: dict[str, Any] = await answer.json()
        return found


async def test_what_is_held_is_listed_shown_and_accepted_once_the_rule_is_mended(
    tmp_path: Path, valkey: SharedValkey
) -> None:
    body = picked(quantity=None, amount=4)
    with WebhooksServer(tmp_path, valkey.url) as server:
        (id_,) = (await posted(server, body, github(body)))["held"]

        listed = await desk(server, "ls")
        shown = json.loads((await desk(server, "show", id_)).stdout)
        early = await desk(server, "retry", id_)
        server.config.write_text(CONFIG.replace("event.quantity", "event.amount"))
        late = await desk(server, "retry", id_)
        empty = await desk(server, "ls")
        gone = await desk(server, "retry", id_)
        # the sender repeats it to the server, which still has the rules of before
        again = await posted(server, body, github(body))

    assert id_ in listed.stdout
    assert "quantity: Field required" in listed.stdout
    assert (shown["source"], json.loads(shown["body"])) == ("repo", json.loads(body))
    assert "x-hub-signature-256" not in shown["headers"]
    assert (early.returncode, "still held" in early.stderr) == (1, True)
    assert (late.returncode, f"{id_}: accepted " in late.stdout) == (0, True)
    assert empty.stdout == "nothing is held\n"
    assert (gone.returncode, "nothing is held as" in gone.stderr) == (1, True)
    assert again["held"] == [id_]


async def test_a_held_delivery_is_forgotten_only_by_name(tmp_path: Path, valkey: SharedValkey) -> None:
    with WebhooksServer(tmp_path, valkey.url) as server:
        (id_,) = (await posted(server, b"no json", github(b"no json")))["held"]

        unsure = await desk(server, "drop", id_)
        kept = json.loads((await desk(server, "ls", "--json")).stdout)
        dropped = await desk(server, "drop", "--yes", id_)
        again = await desk(server, "drop", "--yes", id_)

    assert unsure.returncode == 1
    assert [one["id"] for one in kept] == [id_]
    assert (dropped.returncode, again.returncode) == (0, 1)


async def test_with_redis_away_the_same_may_be_tried_later(tmp_path: Path, make_valkey: MakeValkey) -> None:
    valkey = make_valkey()
    valkey.kill()
    server = WebhooksServer(tmp_path, valkey.url)

    ended = await desk(server, "ls")

    assert (ended.returncode, ended.stderr) == (75, "Error: Redis does not answer (ConnectionError)\n")


async def test_sighup_brings_in_new_rules_and_secrets_and_wrong_ones_change_nothing(
    tmp_path: Path, valkey: SharedValkey
) -> None:
    new_secret = "a-brand-new-invented-secret-of-32"
    kept = tmp_path / "secret"
    kept.write_text(SECRET)
    config = CONFIG.replace('{ env = "HOOK_SECRET" }', f'{{ file = "{kept}" }}')
    with WebhooksServer(tmp_path, valkey.url, config=config) as server:
        server.config.write_text("[sources.repo]\n")
        os.kill(server.pid, signal.SIGHUP)
        await _until_logged(server, "sources.not_read")
        await posted(server, picked(), github(picked(), id_="old"))
        server.config.write_text(config)
        kept.write_text(new_secret)
        os.kill(server.pid, signal.SIGHUP)
        await _until_logged(server, "sources.read")
        answer = await posted(server, picked(), github(picked(), id_="new", secret=new_secret))

    assert answer["commands"][0]["duplicate"] is False
    assert new_secret not in server.log.read_text()
    assert SECRET not in server.log.read_text()


async def _until_logged(server: WebhooksServer, text: str) -> None:
    async with asyncio.timeout(30):
        while not server.printed(text):  # noqa: ASYNC110  another process writes it
            await asyncio.sleep(0.02)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "event.json"
    path.write_bytes(picked(4))
    return path


def test_a_file_is_tried_against_the_rules_without_a_server(tmp_path: Path, file: Path) -> None:
    server = WebhooksServer(tmp_path, "redis://127.0.0.1:1")
    words = ("check", "--source", "repo", "--header", "X-GitHub-Delivery: g-1")

    good = ran(server, *words, str(file))
    as_json = json.loads(ran(server, *words, "--json", str(file)).stdout)
    file.write_bytes(picked("four"))
    held = ran(server, *words, str(file))
    file.write_bytes(b'{"kind":"ping"}')
    ignored = ran(server, *words, str(file))

    assert good.returncode == 0
    assert good.stdout.startswith("delivery g-1: 1 command\n  stock.remove: remove 4 of part")
    assert as_json[0]["commands"][0]["fields"]["quantity"] == 4
    assert (held.returncode, "would be held: source repo: commands.1" in held.stderr) == (1, True)
    assert 'quantity: Input should be a valid integer (got "four") from event.quantity' in held.stderr
    assert (ignored.returncode, ignored.stdout) == (0, "delivery g-1: ignored: no rule is for it\n")


def test_a_signature_can_be_tried_too(tmp_path: Path, file: Path) -> None:
    server = WebhooksServer(tmp_path, "redis://127.0.0.1:1")
    headers = [word for item in signed(picked(4)).items() for word in ("--header", ":".join(item))]

    good = ran(server, "check", "--source", "shop", "--verify", *headers, str(file))
    file.write_bytes(picked(5))
    bad = ran(server, "check", "--source", "shop", "--verify", *headers, str(file))

    assert good.returncode == 0, good.stderr
    assert (bad.returncode, bad.stderr) == (1, "Error: would be refused: no signature matches any secret\n")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--source", "nobody"), "there is no source nobody; known are repo, shop, rack"),
        (("--source", "repo", "--header", "nothing"), "'nothing': write NAME:VALUE"),
    ],
)
def test_wrong_usage_of_check_says_what_is_wrong(
    tmp_path: Path, file: Path, words: tuple[str, ...], reason: str
) -> None:
    ended = ran(WebhooksServer(tmp_path, "redis://127.0.0.1:1"), "check", *words, str(file))

    assert (ended.returncode, reason in ended.stderr) == (2, True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("stock.remove", "stock.removed"), "sources.repo.commands.0: kind: 'stock.removed' is unknown"),
        (("HOOK_SECRET", "NO_SECRET"), "sources.repo.secrets.1 (variable NO_SECRET): the variable is not set"),
    ],
)
def test_wrong_sources_stop_the_start(tmp_path: Path, change: tuple[str, str], reason: str) -> None:
    server = WebhooksServer(tmp_path, "redis://127.0.0.1:1", config=CONFIG.replace(*change))

    for words in (("run", "--check"), ("run",)):
        ended = ran(server, *words)
        assert (ended.returncode, reason in ended.stderr, len(ended.stderr.splitlines())) == (2, True, 1)


def test_check_of_good_settings_names_the_sources_and_no_secret(tmp_path: Path) -> None:
    ended = ran(WebhooksServer(tmp_path, "redis://127.0.0.1:1"), "run", "--check")

    assert ended.returncode == 0
    assert "clients erp (submit+read), sources repo, shop, rack" in ended.stdout
    for secret in (*ENVIRON.values(), SECRET, STANDARD_SECRET, BEARER):
        assert secret not in ended.stdout + ended.stderr


def test_two_servers_on_one_spool_are_a_wrong_setting(tmp_path: Path, valkey: SharedValkey) -> None:
    with WebhooksServer(tmp_path, valkey.url) as server:
        environment = {**server.environment, "STOCKRELAY_WEBHOOKS_PORT": "0"}
        ended = subprocess.run(server.command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 2
    assert "STOCKRELAY_WEBHOOKS_SPOOL: outbox" in ended.stderr
    assert "another process uses it" in ended.stderr
