"""What a person configures: whatever stands in it, the refusal is the reader's own, and quotes no secret."""

from __future__ import annotations

import contextlib
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.files.feeds import FeedsError, read_feeds
from producers.settings import STATION_PREFIX, WEBHOOKS_PREFIX, StationSettings, WebhookSettings
from producers.webhooks.sources import SourcesError, read_sources
from tasks.redis_client import check_address
from tasks.routes import RoutesError, read_routes
from tasks.settings import LedgerSettings, SettingsError, read_environment
from tests.backing import ROOT
from tests.security.depth import fuzz
from tests.security.hostile import damaged, nearly, refusal, texts
from workers.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: The example that we hand out, with every line of it opened.
OPENED: Final = re.sub(r"(?m)^#(?=\S)", "", (ROOT / "stockrelay.toml").read_text())
READERS: Final[dict[str, tuple[Callable[[Path], Any], type[ValueError | Exception]]]] = {
    "sources": (read_sources, SourcesError),
    "feeds": (read_feeds, FeedsError),
    "routes": (read_routes, RoutesError),
}
SECRET: Final = "canaryAa1"
secret_texts: Final = st.text("#/?@:%[] \x00é$", max_size=4).map(lambda odd: f"{SECRET}{odd}{SECRET}")


def test_the_opened_example_is_read_by_all_three(tmp_path: Path) -> None:
    path = tmp_path / "stockrelay.toml"
    path.write_text(OPENED)

    assert tomllib.loads(OPENED).keys() >= {"routes", "imports", "sources", "feeds"}
    for read, _ in READERS.values():
        assert read(path)


@pytest.mark.parametrize("name", READERS)
@fuzz
@given(content=damaged([OPENED.encode()]) | st.binary(max_size=80))
def test_no_damaged_configuration_raises_anything_but_its_own_error(tmp_path: Path, name: str, content: bytes) -> None:
    read, error = READERS[name]
    path = tmp_path / "damaged.toml"
    path.write_bytes(content)

    with contextlib.suppress(error):
        read(path)


def _written(value: Any) -> str:
    """Write a value as inline TOML, as far as TOML has it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(name)} = {_written(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int | float) else _text("" if value is None else str(value))


def _text(text: str) -> str:
    inside = "".join(
        c
        if c.isascii() and c.isprintable() and c not in '"\\'
        else ""
        if "\ud800" <= c <= "\udfff"
        else f"\\U{ord(c):08x}"
        for c in text
    )
    return f'"{inside}"'


@pytest.mark.parametrize("name", READERS)
@fuzz
@given(changed=nearly([tomllib.loads(OPENED)]))
def test_no_other_value_in_it_raises_anything_but_its_own_error(
    tmp_path: Path, name: str, changed: dict[str, Any]
) -> None:
    read, error = READERS[name]
    path = tmp_path / "changed.toml"
    path.write_text("\n".join(f"{_text(key)} = {_written(value)}" for key, value in changed.items()))

    assert len(refusal(error, lambda: read(path))) < 80_000


@fuzz
@given(
    st.sampled_from(["redis://", "rediss://", "http://", "", "redis:/", "redis://["]),
    st.sampled_from(["", "user"]),
    secret_texts,
    st.sampled_from(["@127.0.0.1:6379/0", "@host", "", "@", "@host:port/0", "@host/0?ssl_cert_reqs=none", "@[::1/0"]),
)
def test_no_redis_address_is_refused_with_a_part_of_its_password(
    scheme: str, user: str, secret: str, rest: str
) -> None:
    assert SECRET not in refusal(ValueError, lambda: check_address(f"{scheme}{user}:{secret}{rest}"))


MODELS: Final[dict[str, tuple[Any, str]]] = {
    "webhooks": (WebhookSettings, WEBHOOKS_PREFIX),
    "station": (StationSettings, STATION_PREFIX),
    "ledger": (LedgerSettings, "STOCKRELAY_LEDGER_"),
}


# Python warns of a pattern that a later version may read otherwise
@pytest.mark.filterwarnings("ignore:Possible (nested set|set):FutureWarning")
@pytest.mark.parametrize("program", MODELS)
@fuzz
@given(data=st.data())
def test_no_environment_is_refused_with_the_value_of_a_setting(program: str, data: st.DataObject) -> None:
    model, prefix = MODELS[program]
    names = [f"{prefix}{name.upper()}" for name in model.model_fields]
    values = secret_texts | texts.filter(lambda text: "\0" not in text).map(lambda text: SECRET + text)
    environ = data.draw(st.dictionaries(st.sampled_from(names), values, max_size=4))

    refused = refusal(SettingsError, lambda: read_environment(model, prefix, environ))

    assert SECRET not in refused
    assert not refused or refused.startswith(prefix)


VENDOR_NAMES: Final = (
    *(f"STOCKRELAY_PARTSBOX_{name}" for name in ("URL", "API_KEY", "RATES", "CONCURRENCY", "TIMEOUT_SECONDS", "USER")),
    *(f"STOCKRELAY_PARTIUM_{name}" for name in ("URL", "API_KEY", "RATES")),
    *(f"STOCKRELAY_OPENBOM_{name}" for name in ("URL", "APP_KEY", "USERNAME", "PASSWORD")),
    *(f"STOCKRELAY_PARTBOLT_{name}" for name in ("URL", "TOKEN", "HEADER")),
    "REDIS_URL",
)


@fuzz
@given(st.dictionaries(st.sampled_from(VENDOR_NAMES), secret_texts | st.just(SECRET), max_size=4))
def test_no_vendors_setting_is_refused_or_shown_with_its_value(environ: dict[str, str]) -> None:
    shown: list[str] = []
    refused = refusal(SettingsError, lambda: shown.append(repr(Settings.from_environment(environ))))
    public = {value for name, value in environ.items() if name.endswith(("URL", "USER", "HEADER"))}

    assert SECRET not in refused
    assert [name for name, value in environ.items() if value not in public and value in "".join(shown)] == []
