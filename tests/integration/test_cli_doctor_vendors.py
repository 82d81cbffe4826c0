"""`stockrelay doctor` on the way to a vendor: each step of it broken, and one read at each vendor that is well."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.doctor_harness import doctor, examined
from tests.process import free_port
from tests.sandbox import openbom, partbolt, partium, partsbox
from tests.security.tls_front import AUTHORITY, tls_in_front_of
from workers.limiter import Limiter
from workers.limits import LimitPolicy

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.conftest import SharedValkey
    from tests.sandbox.server import Sandbox

SECRETS: dict[str, dict[str, str]] = {
    "partsbox": {"API_KEY": partsbox.API_KEY},
    "partium": {"API_KEY": partium.API_KEY},
    "openbom": {"APP_KEY": openbom.APP_KEY, "USERNAME": openbom.EMAIL, "PASSWORD": openbom.PASSWORD},
    "partbolt": {"TOKEN": partbolt.TOKEN},
}
SANDBOXES: dict[str, type[Sandbox[Any]]] = {
    "partsbox": partsbox.PartsBoxSandbox,
    "partium": partium.PartiumSandbox,
    "openbom": openbom.OpenBomSandbox,
    "partbolt": partbolt.PartBoltSandbox,
}
TRUST = {"SSL_CERT_FILE": str(AUTHORITY)}
#: In the form of a key, and nobody's.
CANARIES = {
    "partsbox": {"API_KEY": "partsboxapi_canary0123456789"},
    "partium": {"API_KEY": "canary-0123456789"},
    "openbom": {**SECRETS["openbom"], "PASSWORD": "canary-0123456789"},
    "partbolt": {"TOKEN": "canary-0123456789"},
}


def settings(vendor: str, url: str, secrets: dict[str, str] | None = None) -> dict[str, Any]:
    given = {"URL": url, **(SECRETS[vendor] if secrets is None else secrets)}
    return {f"STOCKRELAY_{vendor.upper()}_{name}": value for name, value in given.items()}


@pytest.mark.parametrize("vendor", SANDBOXES)
async def test_a_vendor_that_is_well_takes_one_read(vendor: str, valkey: SharedValkey) -> None:
    async with SANDBOXES[vendor].running() as sandbox:
        told = await examined(valkey.url, **settings(vendor, sandbox.url))

    assert told[vendor] == [("ok", "127.0.0.1 answers"), ("ok", "takes our key (one read)")]
    assert sandbox.journal.effects == []
    assert len([one for one in sandbox.journal.requests if "login" not in one.operation]) == 1


@pytest.mark.parametrize("vendor", SANDBOXES)
async def test_a_key_that_is_refused_is_wrong_and_not_shown(vendor: str, valkey: SharedValkey) -> None:
    async with SANDBOXES[vendor].running() as sandbox:
        given = settings(vendor, sandbox.url, CANARIES[vendor])
        told = await examined(valkey.url, code=1, **given)
        shown = await doctor(valkey.url, code=1, **given)

    severity, found = told[vendor][-1]
    assert (severity, "refuses our key (HTTP 401)" in found) == ("wrong", True), told[vendor]
    assert "canary" not in shown + json.dumps(told)


async def test_the_read_goes_through_the_limiter_and_waits_for_no_pause(
    valkey: SharedValkey, redis_client: Redis
) -> None:
    async with partsbox.PartsBoxSandbox.running() as sandbox:
        await Limiter(redis_client, "partsbox", LimitPolicy((), 4, 60.0)).pause(None, "stocktaking")
        told = await examined(valkey.url, **settings("partsbox", sandbox.url))

    assert told["partsbox"][-1][0] == "could not be checked"
    assert sandbox.journal.requests == []


async def test_a_vendor_without_a_key_here_is_reached_and_not_asked(valkey: SharedValkey) -> None:
    async with partium.PartiumSandbox.running() as sandbox:
        told = await examined(valkey.url, **settings("partium", sandbox.url, {}))

    assert told["partium"] == [
        ("ok", "127.0.0.1 answers"),
        ("ok", "no key is given here: this process serves others"),
    ]


async def test_who_refuses_the_connection_or_has_no_address_is_wrong(valkey: SharedValkey) -> None:
    port = free_port()
    given = {
        **settings("partium", f"http://127.0.0.1:{port}"),
        **settings("partbolt", "https://vendor.invalid"),
    }

    told = await examined(valkey.url, code=1, **given)

    assert told["partium"] == [("wrong", f"127.0.0.1 port {port} refuses the connection")]
    assert told["partbolt"] == [("wrong", "vendor.invalid has no address")]


@pytest.mark.parametrize(
    ("certificate", "trust", "expected"),
    [
        ("server", {}, "its certificate is not accepted (unable to get local issuer certificate)"),
        ("other", TRUST, "its certificate is not accepted (IP address mismatch"),
        ("server", TRUST, "answers and proves who it is"),
    ],
)
async def test_a_certificate_is_verified(
    valkey: SharedValkey, certificate: str, trust: dict[str, str], expected: str
) -> None:
    async with partium.PartiumSandbox.running() as sandbox:
        with tls_in_front_of(int(sandbox.url.rpartition(":")[2].partition("/")[0]), certificate) as (port, received):
            given = settings("partium", f"https://127.0.0.1:{port}", {})
            told = await examined(valkey.url, code=0 if "proves" in expected else 1, **given, **trust)

    assert expected in told["partium"][0][1]
    assert b"".join(received) == b""
