"""REDIS_URL_FILE: the address, and the password in it, as a file that an engine or systemd mounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.settings import SettingsError, redis_url

if TYPE_CHECKING:
    from pathlib import Path


def test_the_address_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://worker:invented@cache:1/2\n")

    assert redis_url({"REDIS_URL_FILE": str(tmp_path / "url")}) == "redis://worker:invented@cache:1/2"
    assert redis_url({"REDIS_URL_FILE": "", "REDIS_URL": "redis://cache"}) == "redis://cache"


@pytest.mark.parametrize("text", ["", "\n", "cache:6379", "redis://:invented#1@cache"])
def test_a_file_without_an_address_is_refused_and_not_quoted(text: str, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(text)

    with pytest.raises(SettingsError, match=r"^REDIS_URL_FILE: ") as caught:
        redis_url({"REDIS_URL_FILE": str(tmp_path / "url")})
    assert "invented" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"REDIS_URL_FILE: cannot read .*/nowhere: No such file"):
        redis_url({"REDIS_URL_FILE": str(tmp_path / "nowhere")})


def test_two_addresses_are_refused(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://cache")

    with pytest.raises(SettingsError, match="REDIS_URL_FILE: given together with REDIS_URL; keep one"):
        redis_url({"REDIS_URL_FILE": str(tmp_path / "url"), "REDIS_URL": "redis://cache"})
