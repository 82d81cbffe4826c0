"""No secret leaves the environment: the real system, all vendors echoing ours, then every place is searched."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import redis
import requests

from producers.scanner.commands import Instruction, QuantityCode, encode
from tests.backing import ROOT
from tests.otlp_collector import collecting
from tests.process import wait_until
from tests.sandbox.partsbox.ids import id_for
from tests.security.echoing_vendors import ACCESS_TOKEN, ECHOES, EchoingServer, echoing_vendors
from tests.security.searched_places import (
    SECRETS,
    SESSION_KEY,
    command_lines,
    files_under,
    flower_pages,
    found_in,
    redis_dump,
    spellings,
)
from tests.stack import Stack, read_procfile
from tests.valkey import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.otlp_collector import Collector

PATIENCE_SECONDS: Final = 60
VENDORS: Final = ("partsbox", "partium", "openbom", "partbolt")
BOM: Final = "49c6f1f3-7006-48fc-86f1-f3700628fcff"
ENDED: Final = ("applied", "rejected", "held", "in_doubt")
CONFIG: Final = """
[imports.partbolt]
part_id = "id"
name = { en = "name", de = "name" }

[sources.shop]
scheme = "github"
secrets = [{ env = "CANARY_HOOK" }]
[[sources.shop.commands]]
kind = "stock.add"
fields = { part_id = "event.part", storage_id = "event.shelf", quantity = "event.quantity" }

[sources.rack]
scheme = "bearer"
format = "cloudevents"
secrets = [{ env = "CANARY_BEARER" }]
[[sources.rack.commands]]
kind = "stock.add"
fields = { part_id = "event.data.part", storage_id = "event.shelf", quantity = "event.quantity" }

[feeds.goods]
path = "DROP"
pattern = "*.csv"
format = "csv"
kind = "stock.add"
[feeds.goods.fields]
part_id = { column = "part" }
storage_id = { column = "shelf" }
quantity = { column = "quantity" }
"""


@pytest.fixture
def vendors() -> Iterator[EchoingServer]:
    with echoing_vendors() as server:
        yield server


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


def _settings(folder: Path, server: ValkeyServer, vendors: EchoingServer, collector: Collector) -> dict[str, str]:
    config = folder / "stockrelay.toml"
    config.write_text(CONFIG.replace("DROP", str(folder / "drop")))
    password = SECRETS["Redis password"]
    tokens = f"api:{SECRETS['API token']},st01:{SECRETS['station token']},desk:{SECRETS['desk token']}:operate"
    return {
        "REDIS_URL": server.url.replace("//", f"//:{password}@"),
        "STOCKRELAY_PARTSBOX_URL": vendors.url("partsbox/api/1"),
        "STOCKRELAY_PARTSBOX_API_KEY": SECRETS["PartsBox API key"],
        "STOCKRELAY_PARTIUM_URL": vendors.url("partium"),
        "STOCKRELAY_PARTIUM_API_KEY": SECRETS["Partium API key"],
        "STOCKRELAY_OPENBOM_URL": vendors.url("openbom"),
        "STOCKRELAY_OPENBOM_APP_KEY": SECRETS["OpenBOM app key"],
        "STOCKRELAY_OPENBOM_USERNAME": SECRETS["OpenBOM user"],
        "STOCKRELAY_OPENBOM_PASSWORD": SECRETS["OpenBOM password"],
        "STOCKRELAY_PARTBOLT_URL": vendors.url("partbolt"),
        "STOCKRELAY_PARTBOLT_TOKEN": SECRETS["PartBolt token"],
        **{f"STOCKRELAY_{vendor.upper()}_RATES": "100/1s+50" for vendor in VENDORS},
        **{f"STOCKRELAY_{vendor.upper()}_SETTLE_SECONDS": "1" for vendor in VENDORS},
        **{f"STOCKRELAY_{program}_CONFIG": str(config) for program in ("ROUTING", "WEBHOOKS", "FILES")},
        "STOCKRELAY_WEBHOOKS_TOKENS": tokens,
        "FLOWER_BASIC_AUTH": f"operator:{SECRETS['Flower password']}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{SECRETS['collector header']}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "CANARY_HOOK": SECRETS["webhook secret"],
        "CANARY_BEARER": SECRETS["bearer of events"],
    }


@pytest.fixture
def stack(tmp_path: Path, vendors: EchoingServer, collector: Collector) -> Iterator[Stack]:
    with ValkeyServer(tmp_path / "redis") as server:
        with contextlib.closing(redis.Redis(port=server.port)) as client:
            client.config_set("requirepass", SECRETS["Redis password"])
        settings = _settings(tmp_path, server, vendors, collector)
        with Stack(tmp_path, vendors=VENDORS, files=True, flower=True, settings=settings, environment={}) as running:
            yield running


def _login(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {SECRETS[secret]}"}


def _submit(stack: Stack, kind: str, **fields: Any) -> str:
    body = {"kind": kind, "stock_timestamp": time.time_ns() // 1_000_000, **fields}
    url = f"{stack.api_url}/v1/commands"
    answer = requests.post(url, json=body, headers=_login("API token"), timeout=PATIENCE_SECONDS)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["key"])


def _submit_for_every_vendor(stack: Stack) -> dict[str, str]:
    """Submit commands that each vendor answers with our secrets; gives the keys of those that come to an end."""
    shelf = id_for("storage", "a")
    keys = {
        echo: _submit(stack, "stock.add", part_id=id_for("part", echo), storage_id=shelf, quantity=1)
        for echo in ECHOES
        if echo not in ("order", "blocked")
    }
    keys["order"] = _submit(stack, "order.receive", order_id=id_for("order", "order"), storage_id=shelf)
    keys["partium"] = _submit(stack, "catalog.upsert_part", part_id="refused", name={"en": "Screw"})
    keys["partium proxy"] = _submit(stack, "catalog.upsert_part", part_id="proxy", name={"en": "Screw"})
    fields = {"part_number": "a", "property": "Quantity", "value": "25"}
    keys["openbom"] = _submit(stack, "bom.set_property", bom_id=BOM, **fields)
    keys["partbolt"] = _submit(stack, "cad.import_part", item_id="refused")
    return keys


def _deliver(stack: Stack) -> str:
    """Send webhooks: one taken, one held, one with a wrong proof; gives what was answered."""
    url = f"{stack.api_url}/v1/hooks/shop"
    good: dict[str, Any] = {"part": id_for("part", "refused"), "shelf": id_for("storage", "a"), "quantity": 2}
    wrong: dict[str, Any] = {"part": 7}
    said = []
    tries = [(good, "webhook secret"), (wrong, "webhook secret"), (good, "API token")]
    for number, (event, secret) in enumerate(tries):
        body = json.dumps({**event, "n": number}).encode()
        signature = hmac.new(SECRETS[secret].encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "X-Hub-Signature-256": f"sha256={signature}",
            "X-GitHub-Delivery": f"d{number}",
            "X-Api-Key": SECRETS[secret],
        }
        said.append(requests.post(url, data=body, headers=headers, timeout=PATIENCE_SECONDS))
    event = {"specversion": "1.0", "id": "1", "source": "/rack", "type": "moved", "data": {"shelf": "s", "quantity": 1}}
    headers = {**_login("bearer of events"), "Content-Type": "application/cloudevents+json"}
    said.append(requests.post(f"{stack.api_url}/v1/events", json=event, headers=headers, timeout=PATIENCE_SECONDS))
    assert [answer.status_code for answer in said] == [202, 202, 401, 202]
    return "\n".join(answer.text for answer in said)


def _browse(stack: Stack) -> str:
    """Log a browser in and ask with its session, a false one and none."""
    browser = requests.Session()
    page = {"Sec-Fetch-Site": "same-origin"}
    token = {"token": SECRETS["station token"]}
    answers = [browser.post(f"{stack.api_url}/station/login", json=token, headers=page, timeout=PATIENCE_SECONDS)]
    assert answers[0].ok, answers[0].text
    answers.append(browser.get(f"{stack.api_url}/v1/commands?keys={'a' * 20}", headers=page, timeout=PATIENCE_SECONDS))
    answers.append(requests.get(f"{stack.api_url}/metrics", headers=_login("API token"), timeout=PATIENCE_SECONDS))
    answers.append(
        requests.get(f"{stack.api_url}/v1/dead-letters", headers=_login("desk token"), timeout=PATIENCE_SECONDS)
    )
    wrong = {"Authorization": f"Bearer {SECRETS['station token']}x"}
    refused = requests.get(f"{stack.api_url}/v1/commands/{'a' * 20}", headers=wrong, timeout=PATIENCE_SECONDS)
    assert [answer.status_code for answer in (*answers, refused)] == [200, 200, 200, 200, 401]
    return "\n".join(answer.text for answer in (*answers, refused))


def _scan(stack: Stack, folder: Path) -> str:
    environment = {**stack.environment, "STOCKRELAY_STATION_TOKEN": SECRETS["station token"]}
    command = [sys.executable, "-m", "producers.scanner.main", "run", "--station", "st01", "--deliver", stack.api_url]
    command += ["--outbox", str(folder / "st01.sqlite3"), "--results-seconds", "0"]
    # no directory knows these ids, so each is confirmed
    sure = encode(Instruction.CONFIRM)
    scans = [encode(Instruction.MOVE), id_for("storage", "a"), sure, id_for("part", "envelope"), sure]
    scans += [encode(QuantityCode(3)), id_for("storage", "b"), sure, "Q?", "\0"]
    ended = subprocess.run(
        command, input="\n".join(scans), env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def _operate(stack: Stack, *words: str) -> str:
    command = [str(Path(sys.executable).with_name("stockrelay")), *words]
    ended = subprocess.run(
        command, env=dict(stack.environment), capture_output=True, text=True, timeout=60, check=False
    )
    return ended.stdout + ended.stderr


def _look_at_the_desk(stack: Stack, key: str) -> str:
    """Ask for the desk's page, its list, one letter with its evidence, and what is refused there."""
    letters, login = f"{stack.api_url}/v1/dead-letters", _login("desk token")
    as_json = {"Content-Type": "application/json"}
    asked = [
        requests.get(f"{stack.api_url}/dead-letters", timeout=PATIENCE_SECONDS),
        requests.get(f"{letters}/{key}", headers=login, timeout=PATIENCE_SECONDS),
        requests.get(f"{letters}/{key}/schema", headers=login, timeout=PATIENCE_SECONDS),
        requests.get(f"{stack.api_url}/openapi.json", timeout=PATIENCE_SECONDS),
        requests.get(f"{letters}/{key}", headers=_login("API token"), timeout=PATIENCE_SECONDS),
        requests.post(f"{letters}/{key}/edit", data="{", headers=login | as_json, timeout=PATIENCE_SECONDS),
        requests.get(f"{stack.api_url}/nowhere", headers=login, timeout=PATIENCE_SECONDS),
        requests.delete(f"{stack.api_url}/v1/commands", headers=login, timeout=PATIENCE_SECONDS),
    ]
    assert [answer.status_code for answer in asked[:3]] == [200, 200, 200]
    assert [answer.status_code for answer in asked[4:]] == [403, 400, 404, 405]
    return "\n".join(answer.text for answer in asked)


def _compare(stack: Stack, folder: Path) -> str:
    """Have vendors that echo our secrets in what is read of them compared, for people, programs and as a page."""
    page = folder / "compared.html"
    shown = [
        _operate(stack, "reconcile", "--json", "--html", str(page)),
        _operate(stack, "reconcile", "--vendor", "openbom"),
        _operate(stack, "submit", "stock.add", "part_id=no", "--dry-run"),
        _operate(
            stack, "submit", "stock.add", f"part_id={id_for('part', 'entry')}", "--dry-run",
            f"storage_id={id_for('storage', 'a')}", "quantity=1", f"stock_timestamp={time.time_ns() // 1_000_000}",
        ),
    ]  # fmt: skip
    reports = {report["vendor"]: report for report in json.loads(shown[0])["reports"]}
    assert reports.keys() == {"partsbox", "partium", "openbom"}
    assert "[removed]" in json.dumps(reports["partsbox"]["differences"])
    assert "***" in shown[3], shown[3]
    return "\n".join([*shown, page.read_text()])


@pytest.mark.slow
def test_no_secret_is_written_down_though_every_vendor_echoes_ours(
    stack: Stack, vendors: EchoingServer, collector: Collector, tmp_path: Path
) -> None:
    (tmp_path / "drop" / "in" / "a.csv").write_text(
        f"part,shelf,quantity\n{id_for('part', 'cut')},{id_for('storage', 'a')},1\nx,y,z\n"
    )
    keys = _submit_for_every_vendor(stack)
    places = {"the station's screen": _scan(stack, tmp_path), "the webhooks' answers": _deliver(stack)}

    def asked(key: str) -> Any:
        url = f"{stack.api_url}/v1/commands/{key}"
        return requests.get(url, headers=_login("API token"), timeout=PATIENCE_SECONDS)

    def state(key: str) -> str:
        return str(asked(key).json()["state"])

    wait_until(
        lambda: all(state(key) in ENDED for key in keys.values()), "every command was answered", PATIENCE_SECONDS
    )
    places["the comparison and the dry run"] = _compare(stack, tmp_path)
    blocked = [
        _submit(stack, "stock.add", part_id=id_for("part", "blocked"), storage_id=id_for("storage", "a"), quantity=1),
        _submit(stack, "catalog.upsert_part", part_id="blocked", name={"en": "Screw"}),
    ]
    wait_until(lambda: all(state(key) == "delayed" for key in blocked), "both vendors are closed", PATIENCE_SECONDS)
    wait_until(lambda: any((tmp_path / "drop").rglob("*.report.json")), "the file is done", PATIENCE_SECONDS)
    keys |= {"blocked": blocked[0], "partium blocked": blocked[1]}
    operator = [["status"], ["limits"], ["dead-letters", "list"], ["--check"], ["show", keys["openbom"], "--json"]]
    shown = "\n".join(_operate(stack, *words) for words in operator)
    places |= {
        "the API's answers": "\n".join([*(asked(key).text for key in keys.values()), _browse(stack)]),
        "what the operator sees": shown,
        "the desk": _look_at_the_desk(stack, keys["refused"]),
        "Flower": flower_pages(stack),
        "the command lines": command_lines(stack),
        **redis_dump(stack.redis_url),
    }
    kept = {name: text for name, text in places.items() if name.startswith(f"Redis key {SESSION_KEY}")}
    for process in stack.processes.values():
        process.stop()
    places["the collector"] = collector.heard.decode("latin-1")
    files = files_under(tmp_path)

    assert {path.split("/")[1] for path in vendors.asked} == set(VENDORS)
    assert list(kept) != []
    assert SECRETS["collector header"] in collector.headers.decode("latin-1")
    assert keys["refused"] in places["the collector"]
    assert all(ACCESS_TOKEN in text for text in kept.values())
    assert sum(text.count("[removed]") for text in places.values()) > 10
    assert keys["refused"] in places["Flower"]
    assert {name.split("/")[-1] for name in files} >= {
        "file partsbox-1.log", "file partium.log", "file webhooks.log", "file flower.log", "file files.log",
        "file st01.sqlite3",
    }  # fmt: skip
    assert found_in({name: text for name, text in places.items() if name not in kept}) == []
    # of the server's own files the shared token may be in the append-only ones, as its key may be in the server
    assert {found for found in found_in(files) if "appendonly" not in found or "access token" not in found} == set()


def test_the_search_finds_a_secret_however_it_is_spelt() -> None:
    assert all(found_in({"a place": f"see {form} there"}) for secret in SECRETS.values() for form in spellings(secret))
    assert found_in({"a place": "nothing here"}) == []


@pytest.mark.parametrize("program", ["partsbox", "webhooks", "flower", "stockrelay"])
def test_a_redis_address_that_cannot_be_read_is_refused_without_its_password(program: str) -> None:
    # an unescaped # or / ends the host, so that what stands before it reads as the port
    commands = {**read_procfile(), "stockrelay": "exec stockrelay status"}
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "REDIS_URL": "redis://:canaryRedis#0005@127.0.0.1:6379/0",
        "STOCKRELAY_PARTSBOX_API_KEY": SECRETS["PartsBox API key"],
        "STOCKRELAY_WEBHOOKS_TOKENS": f"api:{SECRETS['API token']}",
        "FLOWER_BASIC_AUTH": f"operator:{SECRETS['Flower password']}",
        "FLOWER_PORT": "0",
    }
    ended = subprocess.run(
        ["/bin/sh", "-c", commands[program]],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    shown = ended.stdout + ended.stderr

    assert "canary" not in shown
    assert "REDIS_URL" in shown
    assert ended.returncode == 2
