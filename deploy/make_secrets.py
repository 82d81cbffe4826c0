#!/usr/bin/env python3
"""Write the files under secrets/ that docker-compose.yml mounts and a program can make up; no vendor's secret is one.

Run it in the project's folder before the first `docker compose up`, and again at any time: a file that is there is
left as it is. Nothing of what it makes up is printed.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sys
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parent.parent
#: Who comes to Redis, with which rights: the document says it, and this program copies it.
DOCUMENT: Final = PROJECT / "docs" / "security.md"
ADDRESS: Final = "redis://{user}:{password}@valkey:6379/0"
#: For the server's health check: may ask whether it answers, and nothing else.
HEALTH_USER: Final = "user health on nopass resetchannels -@all +ping"
PROMETHEUS: Final = "prometheus"


def main(folder: Path) -> None:
    """Fill the folder, and name what was written."""
    # the folder keeps other people out; the files have to be readable for each container's own user
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)
    _make_redis_users(folder)
    token = _make(folder / "prometheus_token", secrets.token_urlsafe(24))
    _add_client(folder / "webhooks_tokens", f"{PROMETHEUS}:{token}:read")
    _make(folder / "flower_basic_auth", f"relay:{secrets.token_urlsafe(18)}")
    _make(folder / "grafana_admin_password", secrets.token_urlsafe(18))


def _make(path: Path, text: str) -> str:
    """Write the file unless it is there; give what it holds."""
    if path.exists():
        return path.read_text().strip()
    _write(path, text)
    return text


def _write(path: Path, text: str) -> None:
    path.touch()
    path.chmod(0o644)
    path.write_text(f"{text}\n")
    sys.stdout.write(f"written: {path}\n")


def _make_redis_users(folder: Path) -> None:
    """Write the server's users, and beside them the address under which each of them comes in."""
    users = folder / "valkey_users"
    if users.exists():
        return
    lines = [HEALTH_USER]
    for line in DOCUMENT.read_text().split("```acl\n")[1].split("```")[0].splitlines():
        user = line.split()[1]
        if "#<" in line:
            password = secrets.token_urlsafe(24)
            lines.append(re.sub("<[^>]*>", hashlib.sha256(password.encode()).hexdigest(), line))
            _write(folder / f"redis_url_{user}", ADDRESS.format(user=user, password=password))
        else:
            lines.append(line)
    _write(users, "\n".join(lines))


def _add_client(path: Path, line: str) -> None:
    """Let the client in beside those that a person has named."""
    before = path.read_text() if path.exists() else ""
    if not re.search(rf"(?:^|[,\s]){PROMETHEUS}:", before):
        _write(path, f"{before.rstrip()}\n{line}".lstrip())


if __name__ == "__main__":
    os.umask(0o022)
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "secrets")
