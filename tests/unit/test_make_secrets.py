"""`deploy/make_secrets.py`: what it makes fits together, stays as it is, and is never printed."""

from __future__ import annotations

import hashlib
import re
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from producers.tokens import Role, parse_tokens
from tests.backing import ROOT
from tests.security.redis_users import documented_users

if TYPE_CHECKING:
    from pathlib import Path

#: Programs that come to Redis by compose or unit.
USERS: Final = {"producer", "worker", "flower", "operator", "reader"}


def _make(folder: Path) -> str:
    command = [sys.executable, str(ROOT / "deploy" / "make_secrets.py"), str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return ended.stdout + ended.stderr


def _contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_every_documented_user_gets_a_password_that_its_address_has(tmp_path: Path) -> None:
    _make(tmp_path / "secrets")
    made = _contents(tmp_path / "secrets")
    users = {line.split()[1]: line for line in made["valkey_users"].splitlines()}

    assert users.keys() == documented_users().keys() | {"health"}
    assert users["default"] == "user default off"
    for user in USERS:
        found = re.fullmatch(rf"redis://{user}:([\w-]+)@valkey:6379/0\n", made[f"redis_url_{user}"])
        assert found
        assert f"#{hashlib.sha256(found[1].encode()).hexdigest()} " in users[user]
        # beside the password nothing of the documented rights is changed
        assert users[user].split()[4:] == documented_users()[user].split()[4:]


def test_what_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    _make(tmp_path)
    first = _contents(tmp_path)

    assert _make(tmp_path) == ""
    assert _contents(tmp_path) == first


def test_prometheus_joins_the_clients_that_a_person_has_named(tmp_path: Path) -> None:
    (tmp_path / "webhooks_tokens").write_text("ada:token-of-ada-lovelace:operate")
    _make(tmp_path)
    clients = {one.client: one for one in parse_tokens((tmp_path / "webhooks_tokens").read_text())}

    assert clients.keys() == {"ada", "prometheus"}
    assert clients["prometheus"].roles == {Role.READ}
    assert clients["prometheus"].token.get_secret_value() == (tmp_path / "prometheus_token").read_text().strip()


def test_no_secret_is_printed_and_nobody_else_comes_into_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    printed = _make(folder)
    made = _contents(folder)
    secrets = [made[name].strip() for name in ("prometheus_token", "grafana_admin_password", "flower_basic_auth")]

    assert [secret for secret in secrets if secret.split(":")[-1] in printed] == []
    assert "@valkey" not in printed
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
