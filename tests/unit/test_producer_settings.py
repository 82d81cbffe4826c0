"""The producers' settings: what starts, what refuses to start, and that no refusal tells a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from producers.settings import STATION_PREFIX, WEBHOOKS_PREFIX, StationSettings, WebhookSettings
from tasks.settings import SettingsError, read_environment

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "invented-secret-0001"
OTHER = "invented-secret-0002"


def _webhooks(**values: str) -> WebhookSettings:
    return read_environment(WebhookSettings, WEBHOOKS_PREFIX, {WEBHOOKS_PREFIX + name: values[name] for name in values})


def _station(**values: str) -> StationSettings:
    given = {"ID": "ST-01", "DELIVER_URL": "https://relay.example", "TOKEN": SECRET, **values}
    return read_environment(StationSettings, STATION_PREFIX, {STATION_PREFIX + name: given[name] for name in given})


def test_tokens_alone_are_enough_and_the_server_stays_on_loopback() -> None:
    settings = _webhooks(TOKENS=f"ST-01:{SECRET}")

    assert (settings.host, settings.port) == ("127.0.0.1", 8080)


@pytest.mark.parametrize("separator", [",", "\n", ", ", "\n\n", ",\n"])
def test_tokens_are_separated_by_commas_or_lines(separator: str) -> None:
    settings = _webhooks(TOKENS=f"ST-01:{SECRET}{separator}erp:{OTHER}\n")

    assert [(client, token.get_secret_value()) for client, token in settings.tokens] == [
        ("ST-01", SECRET),
        ("erp", OTHER),
    ]


def test_tokens_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"ST-01:{SECRET}\nST-01:{OTHER}\n")

    settings = _webhooks(TOKENS_FILE=str(path))

    assert [client for client, _ in settings.tokens] == ["ST-01", "ST-01"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "STOCKRELAY_WEBHOOKS_TOKENS: Field required"),
        ({"TOKENS": ""}, "STOCKRELAY_WEBHOOKS_TOKENS: no token configured"),
        ({"TOKENS": SECRET}, "entry 1: is not client:token"),
        ({"TOKENS": f"ST-01:{SECRET},erp:{SECRET[:15]}"}, "entry 2: the token is shorter than 16"),
        ({"TOKENS": f"ST-01:{SECRET} x"}, "entry 1: the token is holds characters"),
        ({"TOKENS": f"ST 01:{SECRET}"}, "entry 1: is not client:token"),
        ({"TOKENS": f"a:{SECRET},b:{SECRET}"}, "two entries have the same token"),
        ({"TOKENS": f"a:{SECRET}", "PORT": "http"}, "STOCKRELAY_WEBHOOKS_PORT: Input should be a valid integer"),
        ({"TOKENS": f"a:{SECRET}", "PORT": "65536"}, "STOCKRELAY_WEBHOOKS_PORT"),
        ({"TOKENS": f"a:{SECRET}", "HOST": ""}, "STOCKRELAY_WEBHOOKS_HOST: is empty"),
        ({"TOKENS": f"a:{SECRET}", "HOST": " "}, "STOCKRELAY_WEBHOOKS_HOST: is empty"),
        ({"TOKENS": f"a:{SECRET}", "TOKEN": "x"}, "STOCKRELAY_WEBHOOKS_TOKEN: unknown"),
    ],
)
def test_wrong_webhook_settings_name_the_variable_and_no_secret(values: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _webhooks(**values)

    assert message in str(caught.value)
    assert SECRET[:15] not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://relay.example",
        "https://relay.example:8443/base/",
        "http://127.0.0.1:8080",
        "http://localhost",
        "http://[::1]:80",
    ],
)
def test_a_station_delivers_over_tls_or_to_its_own_machine(url: str) -> None:
    assert _station(DELIVER_URL=url).deliver_url == url


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"DELIVER_URL": "http://relay.example"}, "STOCKRELAY_STATION_DELIVER_URL: must be https"),
        ({"DELIVER_URL": "ftp://relay.example"}, "is not an http(s) address"),
        ({"DELIVER_URL": "relay.example"}, "is not an http(s) address"),
        ({"DELIVER_URL": "https://[::1"}, "STOCKRELAY_STATION_DELIVER_URL"),
        ({"DELIVER_URL": f"https://user:{SECRET}@relay.example"}, "has a user"),
        ({"ID": "ST:01"}, "STOCKRELAY_STATION_ID"),
        ({"ID": ""}, "STOCKRELAY_STATION_ID"),
        ({"TOKEN": "short"}, "STOCKRELAY_STATION_TOKEN: shorter than 16"),
        ({"CODE_PATTERN": "("}, "STOCKRELAY_STATION_CODE_PATTERN: is not a regular expression"),
        ({"CODE_PATTERN": "x"}, "STOCKRELAY_STATION_CODE_PATTERN: needs exactly one named group"),
        ({"INPUT": "stdin,tcp:127.0.0.1:7001, stdin"}, 'STOCKRELAY_STATION_INPUT: source "stdin" is given twice'),
        ({"INPUT": " , "}, "STOCKRELAY_STATION_INPUT: no source of scans"),
        ({"COLOUR": "red"}, "STOCKRELAY_STATION_COLOUR: unknown"),
    ],
)
def test_wrong_station_settings_name_the_variable_and_no_secret(values: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _station(**values)

    assert message in str(caught.value)
    assert SECRET not in str(caught.value)


def test_settings_do_not_show_their_secrets() -> None:
    assert SECRET not in repr(_station()) + str(_station())
    assert SECRET not in repr(_webhooks(TOKENS=f"ST-01:{SECRET}"))
