"""A vendor's settings: whole or not at all, every mistake named by its variable, no secret shown."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, Final

import pytest

from workers.limits import Rate
from workers.settings import Settings, SettingsError, limit_policy
from workers.vendor_settings import VENDOR_SETTINGS, OpenBomSettings, PartBoltSettings, PartsBoxSettings

if TYPE_CHECKING:
    from pathlib import Path

CANARY: Final = "canarySecret0001"
SECRETS: Final = {
    "partsbox": {"STOCKRELAY_PARTSBOX_API_KEY": f"partsboxapi_{CANARY}"},
    "partium": {"STOCKRELAY_PARTIUM_API_KEY": CANARY},
    "openbom": {
        "STOCKRELAY_OPENBOM_APP_KEY": CANARY,
        "STOCKRELAY_OPENBOM_USERNAME": f"{CANARY}@example.com",
        "STOCKRELAY_OPENBOM_PASSWORD": f"{CANARY} # with words",
    },
    "partbolt": {"STOCKRELAY_PARTBOLT_TOKEN": CANARY},
}
EVERY_SECRET: Final = [(vendor, name) for vendor, names in SECRETS.items() for name in names]
#: A password stands in no header: it may be anything but empty.
IMPOSSIBLE: Final = [
    (vendor, name, form)
    for vendor, name in EVERY_SECRET
    for form in ("", f"{CANARY}\n{CANARY}", f"{CANARY}\x7f", f" {CANARY}")
    if not (form and name.endswith("_PASSWORD"))
]
EVERYTHING: Final = {name: secret for names in SECRETS.values() for name, secret in names.items()}


def refused(environ: dict[str, str]) -> str:
    """Give the text of the refusal, which shows the secret nowhere."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environ)
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert CANARY not in shown
    return str(caught.value)


def test_these_are_all_vendors_and_all_their_secrets() -> None:
    named = {
        vendor: {f"STOCKRELAY_{vendor.upper()}_{secret.upper()}" for secret in model.secrets}
        for vendor, model in VENDOR_SETTINGS.items()
    }

    assert {vendor: set(secrets) for vendor, secrets in SECRETS.items()} == named


def test_without_secrets_no_vendor_is_served() -> None:
    assert Settings.from_environment({}).vendors == {}


@pytest.mark.parametrize("vendor", SECRETS)
def test_a_vendor_is_served_by_its_own_secrets_alone(vendor: str) -> None:
    settings = Settings.from_environment(SECRETS[vendor])

    assert set(settings.vendors) == {vendor}
    assert isinstance(settings.served(vendor), VENDOR_SETTINGS[vendor])
    assert CANARY not in repr(settings)
    assert CANARY not in settings.model_dump_json()


@pytest.mark.parametrize("vendor", SECRETS)
def test_a_vendor_that_is_to_be_served_names_every_secret_it_needs(vendor: str) -> None:
    others = {name: secret for name, secret in EVERYTHING.items() if name not in SECRETS[vendor]}
    settings = Settings.from_environment(others)

    with pytest.raises(SettingsError) as caught:
        settings.served(vendor)

    assert set(settings.vendors) == set(SECRETS) - {vendor}
    assert str(caught.value) == f"{' and '.join(SECRETS[vendor])}: missing; this worker is to serve {vendor}"


@pytest.mark.parametrize(("vendor", "name"), EVERY_SECRET)
def test_every_secret_may_come_from_a_file(vendor: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(SECRETS[vendor][name] + "\n")
    given = {**SECRETS[vendor], f"{name}_FILE": str(path)}
    del given[name]

    chosen = Settings.from_environment(given).served(vendor)

    field = name.removeprefix(f"STOCKRELAY_{vendor.upper()}_").lower()
    assert getattr(chosen, field).get_secret_value() == SECRETS[vendor][name]


@pytest.mark.parametrize(("vendor", "name", "form"), IMPOSSIBLE)
def test_what_cannot_be_a_secret_is_refused_and_not_shown(vendor: str, name: str, form: str) -> None:
    assert refused({**SECRETS[vendor], name: form}).startswith(f"{name}: must ")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("STOCKRELAY_PARTSBOX_API_KEY", CANARY),
        ("STOCKRELAY_PARTSBOX_API_KEY", f"APIKey partsboxapi_{CANARY}"),
        ("STOCKRELAY_PARTIUM_API_KEY", f"Bearer {CANARY}"),
        ("STOCKRELAY_OPENBOM_APP_KEY", f"X-OpenBOM-AppKey: {CANARY}"),
        ("STOCKRELAY_OPENBOM_USERNAME", CANARY),
        ("STOCKRELAY_PARTBOLT_TOKEN", f"PartBoltAPI {CANARY}"),
    ],
)
def test_a_secret_with_the_headers_word_or_of_another_form_is_refused(name: str, form: str) -> None:
    assert refused({**EVERYTHING, name: form}).startswith(f"{name}: must ")


@pytest.mark.parametrize("missing", SECRETS["openbom"])
def test_two_of_openboms_three_secrets_are_refused_by_the_name_of_the_third(missing: str) -> None:
    given = {name: secret for name, secret in SECRETS["openbom"].items() if name != missing}

    assert refused(given) == f"{missing}: Field required"


def test_a_password_may_hold_what_no_header_can() -> None:
    password = " pass\tword ü # "
    given = {**SECRETS["openbom"], "STOCKRELAY_OPENBOM_PASSWORD": password}

    chosen = Settings.from_environment(given).served("openbom")

    assert isinstance(chosen, OpenBomSettings)
    assert chosen.password.get_secret_value() == password


@pytest.mark.parametrize(("vendor", "name"), EVERY_SECRET)
def test_a_secret_given_twice_is_refused(vendor: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(CANARY)

    assert "keep one" in refused({**SECRETS[vendor], f"{name}_FILE": str(path)})


@pytest.mark.parametrize("vendor", SECRETS)
@pytest.mark.parametrize("secrets", ["there", "absent"])
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("URL", "http://vendor.example"),
        ("URL", ""),
        ("URL", f"https://user:{CANARY}@vendor.example"),
        ("RATES", CANARY),
        ("RATES", "0/1s"),
        ("CONCURRENCY", "0"),
        ("CONCURRENCY", CANARY),
        ("TIMEOUT_SECONDS", "0"),
        ("TIMEOUT_SECONDS", "soon"),
        ("SETTLE_SECONDS", "-1"),
        ("SETTLE_SECONDS", "nan"),
    ],
)
def test_a_wrong_setting_is_named_with_or_without_the_secrets(
    vendor: str, secrets: str, setting: str, value: str
) -> None:
    name = f"STOCKRELAY_{vendor.upper()}_{setting}"

    assert refused({**(SECRETS[vendor] if secrets == "there" else {}), name: value}).startswith(f"{name}: ")


@pytest.mark.parametrize("vendor", SECRETS)
def test_an_unknown_setting_is_refused(vendor: str) -> None:
    name = f"STOCKRELAY_{vendor.upper()}_API_KYE"

    assert refused({name: CANARY}).startswith(f"{name}: unknown; known are ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STOCKRELAY_OPENBOM_CONCURRENCY", "6"),
        ("STOCKRELAY_PARTSBOX_DIRECTORY_SECONDS", "1"),
        ("STOCKRELAY_PARTBOLT_HEADER", "Authentication: x"),
        ("STOCKRELAY_PARTBOLT_HEADER", f"{CANARY}\r\nX"),
    ],
)
def test_what_only_one_vendor_has_is_bounded_too(name: str, value: str) -> None:
    assert refused({**EVERYTHING, name: value}).startswith(f"{name}: ")


def test_what_only_one_vendor_has_reaches_it() -> None:
    told = {"STOCKRELAY_PARTSBOX_DIRECTORY_SECONDS": "60", "STOCKRELAY_PARTBOLT_HEADER": "Authorization"}

    settings = Settings.from_environment({**EVERYTHING, **told})

    partsbox, partbolt = settings.served("partsbox"), settings.served("partbolt")
    assert isinstance(partsbox, PartsBoxSettings)
    assert isinstance(partbolt, PartBoltSettings)
    assert (partsbox.directory_seconds, partbolt.header) == (60, "Authorization")


@pytest.mark.parametrize("vendor", SECRETS)
def test_limits_are_read_without_any_secret(vendor: str) -> None:
    told = {f"STOCKRELAY_{vendor.upper()}_RATES": "7/1m+3", f"STOCKRELAY_{vendor.upper()}_CONCURRENCY": "3"}
    unreadable: dict[str, Any] = {f"{name}_FILE": "no-such-file" for name in SECRETS[vendor]}

    policy = limit_policy(vendor, {**told, **unreadable})

    assert (policy.rates, policy.concurrency) == ((Rate(7, 60, 3),), 3)
