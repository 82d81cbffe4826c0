"""The producers' settings: what starts, what refuses to start, and that no refusal tells a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from producers.settings import STATION_PREFIX, WEBHOOKS_PREFIX, StationSettings, WebhookSettings
from producers.tokens import written
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

    assert [(each.client, each.token.get_secret_value()) for each in settings.tokens] == [
        ("ST-01", SECRET),
        ("erp", OTHER),
    ]


@pytest.mark.parametrize(
    ("entry", "roles"),
    [
        (SECRET, {"submit", "read"}),
        (f"{SECRET}:submit", {"submit"}),
        (f"{SECRET}:read", {"read"}),
        (f"{SECRET}:operate", {"operate"}),
        (f"{SECRET}:operate+read", {"read", "operate"}),
        (f"{SECRET}:submit+read+operate", {"submit", "read", "operate"}),
        (f"{SECRET}+read", {"submit", "read"}),
    ],
)
def test_a_token_has_the_roles_of_its_entry_and_without_any_those_of_a_station(entry: str, roles: set[str]) -> None:
    (token,) = _webhooks(TOKENS=f"ada:{entry}").tokens

    assert (token.client, set(token.roles)) == ("ada", roles)


def test_two_tokens_of_one_client_may_do_different_things() -> None:
    tokens = _webhooks(TOKENS=f"ada:{SECRET}:read,ada:{OTHER}:operate").tokens

    assert [(each.client, written(each.roles)) for each in tokens] == [("ada", "read"), ("ada", "operate")]


def test_tokens_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"ST-01:{SECRET}\nST-01:{OTHER}\n")

    settings = _webhooks(TOKENS_FILE=str(path))

    assert [each.client for each in settings.tokens] == ["ST-01", "ST-01"]


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
        ({"TOKENS": f"a:{SECRET}:read,b:{SECRET}:submit"}, "two entries have the same token"),
        (
            {"TOKENS": f"a:{SECRET}:"},
            "entry 1: behind the second colon are roles: one or more of submit, read, operate",
        ),
        ({"TOKENS": f"a:{OTHER}:read+admin"}, "entry 1: behind the second colon are roles"),
        ({"TOKENS": f"a:{OTHER}:{SECRET}"}, "entry 1: behind the second colon are roles"),
        ({"TOKENS": f"a:{OTHER}:Read"}, "entry 1: behind the second colon are roles"),
        ({"TOKENS": f"a:{OTHER}:read+"}, "entry 1: behind the second colon are roles"),
        ({"TOKENS": f"a:{OTHER}:read:submit"}, "entry 1: behind the second colon are roles"),
        ({"TOKENS": f"b:{OTHER},a:{SECRET}:read+read"}, "entry 2: a role is given twice"),
        ({"TOKENS": f"a:{SECRET}", "OPERATORS": "a"}, "STOCKRELAY_WEBHOOKS_OPERATORS: unknown"),
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
