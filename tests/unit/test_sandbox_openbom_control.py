"""The control API of the OpenBOM sandbox, and the sandbox as a process."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.openbom import APP_KEY, EMAIL, PASSWORD, OpenBomSandbox, id_for
from tests.sandbox.probe import Probe

KEYED = {"X-OpenBOM-AppKey": APP_KEY}
CATALOG = id_for("catalog", "Stock items")
WRITE = f"catalog/{CATALOG}/propertyvalue"
BODY = {
    "partNumberPropertyName": "Part Number",
    "partNumber": "C-100N",
    "propertyName": "Quantity On Hand",
    "propertyValue": "14",
}


@pytest.fixture
async def sandbox() -> AsyncIterator[OpenBomSandbox]:
    async with OpenBomSandbox.running(seed_fixture="warehouse", seed=1) as running:
        yield running


@pytest.fixture
async def vendor(sandbox: OpenBomSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.url, await authorized(sandbox.url)) as probe:
        yield probe


async def authorized(url: str) -> dict[str, str]:
    async with Probe.to(url, KEYED) as stranger:
        seen = await stranger.post("login", {"username": EMAIL, "password": PASSWORD})
    return {**KEYED, "X-OpenBOM-AccessToken": seen.json["access_token"]}


async def control(sandbox: OpenBomSandbox, method: str, path: str, body: Any = None) -> Any:
    async with Probe.to(f"{sandbox.root_url}/_sandbox") as probe:
        return (await probe.send(method, path, json=body)).json


async def test_the_control_api_ends_tokens_revokes_keys_and_commits(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    sandbox.faults.add("queued")
    await vendor.post(WRITE, BODY)

    state = await control(sandbox, "GET", "state")
    assert [state[name] for name in ("logins", "live_tokens", "queued_writes")] == [1, 1, 1]
    assert await control(sandbox, "POST", "queued/commit") == {"committed": 1}
    assert await control(sandbox, "POST", "tokens/expire") == {"ended": 1}
    assert (await vendor.send("GET", "boms")).status == 401
    assert await control(sandbox, "POST", "app-keys/revoke", {"app_key": APP_KEY}) == {}
    assert (await vendor.send("GET", "boms")).status == 403
    assert APP_KEY not in json.dumps(state)


async def test_the_control_api_loads_documents_and_lets_a_colleague_write(
    sandbox: OpenBomSandbox, vendor: Probe
) -> None:
    account = {"app_key": "loadedkey", "email": "new@example.com", "password": "invented"}
    catalog = {"name": "Spares", "columns": {"Part Number": "T"}, "rows": [{"Part Number": "S-1"}]}
    ids = await control(sandbox, "POST", "fixture", {"accounts": [account], "catalogs": [catalog]})
    params = {**BODY, "partNumber": "S-1", "propertyName": "Part Number", "id": ids["catalogs"][0]}
    (effect,) = await control(sandbox, "POST", "write", {"operation": "catalog/propertyvalue", "params": params})
    refused = await control(sandbox, "POST", "write", {"operation": "catalog", "params": params})

    assert ids["catalogs"] == [id_for("catalog", "Spares")]
    assert (effect["foreign"], effect["user"], effect["before"], effect["after"]) == (True, "colleague", "S-1", "14")
    assert refused["problem"] == "unknown-path"
    assert (await vendor.send("GET", f"catalog/{ids['catalogs'][0]}")).json["cells"] == [["14"]]
    assert sandbox.accounts.owners["loadedkey"] == "new@example.com"


async def test_the_control_api_switches_readings(sandbox: OpenBomSandbox, vendor: Probe) -> None:
    await control(sandbox, "POST", "assumptions", {"document_shape": "data", "statuses": {"unknown-row": 404}})
    refused = await control(sandbox, "POST", "assumptions", {"document_shape": "rows"})

    assert "data" in (await vendor.send("GET", f"catalog/{CATALOG}")).json
    assert (await vendor.post(WRITE, {**BODY, "partNumber": "NOBODY"})).status == 404
    assert "document_shape is one of" in refused["error"]


async def test_the_process_serves_and_leaves_cleanly_on_sigterm(tmp_path: Path) -> None:
    ready_file = tmp_path / "ready.json"
    options = ("--seed-fixture", "warehouse", "--rate", "2/s", "--burst", "5", "--concurrency", "4")
    command = (sys.executable, "-m", "tests.sandbox.openbom", "--ready-file", str(ready_file), *options)
    running = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2])
    try:
        async with asyncio.timeout(30):
            while not ready_file.exists():
                assert running.returncode is None
                await asyncio.sleep(0.02)
        ready = json.loads(ready_file.read_text(encoding="utf-8"))
        async with (
            Probe.to(ready["url"], await authorized(ready["url"])) as vendor,
            Probe.to(ready["control_url"]) as control,
        ):
            assert (await vendor.post(WRITE, BODY)).status == 200
            rules = (await control.send("GET", "limits")).json["rules"]
            assert (rules["rate_per_second"], rules["burst"], rules["concurrency"]) == (2, 5, 4)
        running.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(running.wait(), 20) == 0
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()
