"""Reading the environment: every mistake is named by its variable, and no secret is shown."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr

from tasks.app import create_app
from tasks.redis_client import InsecureRedisError, open_redis
from tasks.routes import Routes
from tasks.settings import KNOWN_PREFIXES, LedgerSettings, SettingsError, read_environment, redis_url, routes_from
from workers.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PREFIX = "STOCKRELAY_TEST_"
SECRET = "not-for-any-log"


class Example(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    token: SecretStr
    gap_seconds: float = 1.5


def test_fields_come_from_their_variables_and_defaults() -> None:
    read = read_environment(Example, PREFIX, {PREFIX + "TOKEN": SECRET, "PATH": "/bin", "OTHER_TOKEN": "x"})
    assert read.token.get_secret_value() == SECRET
    assert read.gap_seconds == 1.5
    assert SECRET not in repr(read)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(SECRET + "\n")
    read = read_environment(Example, PREFIX, {PREFIX + "TOKEN_FILE": str(path), PREFIX + "GAP_SECONDS": "2"})
    assert (read.token.get_secret_value(), read.gap_seconds) == (SECRET, 2.0)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "STOCKRELAY_TEST_TOKEN: Field required"),
        ({"TOKEN": SECRET, "TOKN": SECRET}, "STOCKRELAY_TEST_TOKN: unknown; known are STOCKRELAY_TEST_TOKEN,"),
        ({"TOKEN": SECRET, "OTHER_FILE": "x"}, "STOCKRELAY_TEST_OTHER_FILE: unknown"),
        ({"TOKEN": SECRET, "GAP_SECONDS": SECRET}, "STOCKRELAY_TEST_GAP_SECONDS: Input should be a valid number"),
        ({"TOKEN_FILE": "no-such-file"}, "STOCKRELAY_TEST_TOKEN_FILE: cannot read no-such-file: No such file"),
        ({"TOKEN": SECRET, "TOKEN_FILE": "x"}, "STOCKRELAY_TEST_TOKEN_FILE: given together with STOCKRELAY_TEST_TOKEN"),
        ({"TOKEN_FILE": "x", "TOKEN": SECRET}, "STOCKRELAY_TEST_TOKEN_FILE: given together with STOCKRELAY_TEST_TOKEN"),
    ],
)
def test_a_mistake_is_named_by_its_variable_without_its_value(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_environment(Example, PREFIX, {PREFIX + name: value for name, value in environ.items()})
    assert str(caught.value).startswith(named)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_secret_file_that_is_no_text_is_a_settings_error_that_shows_none_of_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(SECRET.encode() + b"\xff")
    with pytest.raises(SettingsError, match=r"STOCKRELAY_TEST_TOKEN_FILE: .* is not UTF-8 text") as caught:
        read_environment(Example, PREFIX, {PREFIX + "TOKEN_FILE": str(path)})
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("days", ["0", "-1", "nan", "inf", "4000", "soon", ""])
def test_a_retention_that_means_nothing_is_refused(days: str) -> None:
    with pytest.raises(SettingsError, match=r"^STOCKRELAY_LEDGER_RETENTION_DAYS: "):
        read_environment(LedgerSettings, "STOCKRELAY_LEDGER_", {"STOCKRELAY_LEDGER_RETENTION_DAYS": days})


def test_the_ledger_is_strict_and_keeps_a_month_unless_told() -> None:
    assert read_environment(LedgerSettings, "STOCKRELAY_LEDGER_", {}) == LedgerSettings(
        retention_days=30, allow_weak_redis=False
    )


def test_redis_is_on_loopback_unless_told() -> None:
    assert redis_url({}) == redis_url({"REDIS_URL": ""}) == "redis://127.0.0.1:6379/0"
    assert redis_url({"REDIS_URL": "redis://cache:1/2"}) == "redis://cache:1/2"


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{SECRET}#x@127.0.0.1:6379/0",
        f"redis://:{SECRET}/x@127.0.0.1:6379/0",
        f"redis://:{SECRET}?x@127.0.0.1:6379/0",
        f"redis://user:12/{SECRET}@127.0.0.1:6379/0",
        f"redis://user:12?{SECRET}@127.0.0.1:6379/0",
        f"redis://user:12#{SECRET}@127.0.0.1:6379/0",
        f"redis://:{SECRET}[@127.0.0.1:6379/0",
        f"redis://:{SECRET} @127.0.0.1:6379/0",
        f"redis://:{SECRET}@127.0.0.1:65536/0",
        f"redis://:{SECRET}@127.0.0.1:0/0",
        f"redis://:{SECRET}@127.0.0.1:6379/{SECRET}",
        f"redis://:{SECRET}@/0",
        f"redis://:{SECRET}@127.0.0.1:6379/0?db=3",
        f"redis://:{SECRET}@127.0.0.1:6379/0?{SECRET}=1",
        f"rediss://:{SECRET}@127.0.0.1:6379/0?ssl_cert_reqs=required&ssl_cert_reqs=none",
        f"rediss://:{SECRET}@127.0.0.1:6379/0?ssl_cert_reqs=required&ssl_check_hostname=false",
        f"unix://:{SECRET}@/run/redis.sock",
        f"redis+socket:///run/redis.sock?password={SECRET}",
        f"sentinel://:{SECRET}@127.0.0.1:26379",
        f"{SECRET}@127.0.0.1:6379",
        "127.0.0.1:6379",
    ],
)
def test_a_wrong_redis_address_was_shown_with_a_part_of_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^REDIS_URL: ") as caught:
        redis_url({"REDIS_URL": url})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache",
        "redis://cache/",
        "redis://user:p%23a%2Fs%3Fs@cache:6380/15",
        "redis://:p@ss:word@cache:6379/0",
        "redis://[::1]:6379/0",
        "rediss://cache:6379/0?ssl_cert_reqs=required&ssl_ca_certs=/etc/ca.pem",
    ],
)
def test_a_good_redis_address_means_the_same_to_the_ledger_and_to_celery(url: str) -> None:
    given: Any = open_redis(redis_url({"REDIS_URL": url})).connection_pool.connection_kwargs
    celery = create_app(url).connection_for_write()
    assert given["host"] == celery.hostname
    assert given.get("port", 6379) == (celery.port or 6379)
    assert given.get("db", 0) == int((celery.virtual_host or "").strip("/") or 0)
    assert (given.get("username"), given.get("password")) == (celery.userid, celery.password)


def test_a_name_under_a_mistyped_prefix_was_passed_over() -> None:
    with pytest.raises(SettingsError, match=r"^STOCKRELAY_WROKER_LEASE_SECONDS: unknown; known are STOCKRELAY_LEDGER_"):
        read_environment(LedgerSettings, "STOCKRELAY_LEDGER_", {"STOCKRELAY_WROKER_LEASE_SECONDS": "1"})


def test_the_settings_of_other_programs_stop_nobody() -> None:
    others = {f"{prefix}{name}": "x" for prefix in KNOWN_PREFIXES[1:] for name in ("TOKEN", "ID")}
    assert read_environment(LedgerSettings, "STOCKRELAY_LEDGER_", others) == LedgerSettings()


@pytest.mark.parametrize("reader", [routes_from, Settings.from_environment])
def test_a_routes_file_that_cannot_be_used_is_named_with_the_place_in_it(
    reader: Callable[[dict[str, str]], Any], tmp_path: Path
) -> None:
    path = tmp_path / "routes.toml"
    path.write_text('[routes.catalog_part.partsbox]\nnmae = "part_id"\n')

    with pytest.raises(SettingsError, match=r"^STOCKRELAY_ROUTING_CONFIG: .*routes\.catalog_part\.partsbox\.n"):
        reader({"STOCKRELAY_ROUTING_CONFIG": str(path)})
    with pytest.raises(SettingsError, match=r"^STOCKRELAY_ROUTING_CONFIG: .*: cannot be read: No such file"):
        reader({"STOCKRELAY_ROUTING_CONFIG": str(tmp_path / "none.toml")})


def test_nothing_is_routed_without_a_routes_file() -> None:
    assert Settings.from_environment({}).routes == routes_from({}) == Routes()


@pytest.mark.parametrize("query", ["", "?ssl_cert_reqs=none", "?ssl_cert_reqs=optional"])
def test_tls_without_a_verified_certificate_is_refused_before_anything_is_sent(query: str) -> None:
    with pytest.raises(InsecureRedisError, match="ssl_cert_reqs=required") as caught:
        open_redis(f"rediss://:{SECRET}@127.0.0.1:1/0{query}")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "rediss://127.0.0.1:1/0?ssl_cert_reqs=required"])
def test_a_step_of_the_ledger_is_never_sent_twice_by_the_client_itself(url: str) -> None:
    # a script that was executed although its answer was lost would claim, count and refuse a second time
    pool: Any = open_redis(url).connection_pool
    connection = pool.make_connection()
    assert connection.retry.get_retries() == 0
