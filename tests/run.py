"""`make run`: the Procfile in the foreground, on an embedded server and sandbox vendors unless settings name others.

With one real vendor or more, these are served and no others: nothing of a sandbox gets into a real ledger. The Procfile
itself needs nothing from here: with REDIS_URL, vendors and tokens set, any process runner starts it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import honcho.environ  # type: ignore[import-untyped]  # honcho ships no types
import honcho.manager  # type: ignore[import-untyped]  # honcho ships no types

from tests.backing import ROOT, SANDBOX_SECRETS, Backing, url_name
from tests.process import accepts, free_port
from tests.stack import FLOWER, WEBHOOKS, read_procfile

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

TOKENS: Final = "STOCKRELAY_WEBHOOKS_TOKENS"
#: Around the token that is made up for a first try: whose it is, and that it may do everything.
LOCAL: Final = "local:"
ALL_ROLES: Final = ":submit+read+operate"

#: Where a person expects them; a free port is taken instead when somebody else listens there.
USUAL_PORTS: Final = {WEBHOOKS: 8080, FLOWER: 5555}

#: The embedded server's data where vendors are real.
KEPT: Final = ROOT / "var" / "run"

#: honcho kills what has not ended by then. A worker waits for its running vendor calls: 30 s by default, and a margin.
STOP_SECONDS: Final = 40

#: Exit codes honcho reports for a stop by Ctrl-C or SIGTERM, which are how one ends this program.
ASKED_TO_STOP: Final = frozenset({128 + signal.SIGINT, 128 + signal.SIGTERM})


def main() -> int:
    """Run until Ctrl-C, SIGTERM or the end of one process; return the exit code."""
    dotenv = ROOT / ".env"
    given = {**(honcho.environ.parse(dotenv.read_text()) if dotenv.exists() else {}), **os.environ}
    halves = [half for vendor in SANDBOX_SECRETS if (half := _half(vendor, given))]
    if halves:
        print(*halves, sep="\n", file=sys.stderr)
        return 2
    real = [vendor for vendor in SANDBOX_SECRETS if given.get(url_name(vendor))]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # while the backing starts; later it is honcho's
    try:
        with _folder(kept=bool(real)) as folder:
            made = _missing_settings(given, folder)
            vendors = real or list(SANDBOX_SECRETS)
            with Backing(folder, {**given, **made}, vendors) as backing:
                _print_addresses(backing, vendors, made)
                return _run_procfile(backing.environment, vendors)
    except BlockingIOError:
        print("Another `make run` with a real vendor is up in this folder.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _half(vendor: str, given: Mapping[str, str]) -> str:
    """Say what is missing of a vendor of which only a part is set; empty when nothing is."""
    names = (url_name(vendor), *SANDBOX_SECRETS[vendor])
    missing = [name for name in names if not (given.get(name) or given.get(f"{name}_FILE"))]
    if len(missing) in (0, len(names)):
        return ""
    return f"{', '.join(names)} belong together: set all of them or none; missing: {', '.join(missing)}."


@contextlib.contextmanager
def _folder(*, kept: bool) -> Iterator[Path]:
    """Give the folder of an embedded server's data: for a real vendor kept, for forgetful sandboxes a passing one."""
    if not kept:
        with tempfile.TemporaryDirectory(prefix="stockrelay-") as name:
            yield Path(name)
        return
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:  # two servers on one set of files would destroy it
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield KEPT


def _missing_settings(given: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return what a first try needs and nobody set; the secrets are new ones at every start."""
    settings = {
        "STOCKRELAY_WEBHOOKS_HOST": "127.0.0.1",
        "STOCKRELAY_WEBHOOKS_PORT": _port(WEBHOOKS),
        "FLOWER_PORT": _port(FLOWER),
        "FLOWER_DB": str(folder / "flower"),
        "FLOWER_BASIC_AUTH": f"relay:{secrets.token_urlsafe(9)}",
        "STOCKRELAY_ROUTING_CONFIG": str(ROOT / "stockrelay.toml"),
        "STOCKRELAY_WEBHOOKS_CONFIG": str(ROOT / "stockrelay.toml"),
        "STOCKRELAY_FILES_CONFIG": str(ROOT / "stockrelay.toml"),
        "STOCKRELAY_WEBHOOKS_SPOOL": str(folder / "webhooks.sqlite3"),
        "STOCKRELAY_FILES_OUTBOX": str(folder / "files.sqlite3"),
    }
    if not given.get(f"{TOKENS}_FILE"):
        settings[TOKENS] = f"{LOCAL}{secrets.token_urlsafe(18)}{ALL_ROLES}"
    return {name: value for name, value in settings.items() if not given.get(name)}


def _port(name: str) -> str:
    usual = USUAL_PORTS[name]
    return str(free_port() if accepts(usual) else usual)


def _print_addresses(backing: Backing, vendors: Collection[str], made: Mapping[str, str]) -> None:
    """Print where everything is, and of the secrets those that were made up for this run."""
    environment = backing.environment
    api = f"http://{environment['STOCKRELAY_WEBHOOKS_HOST']}:{environment['STOCKRELAY_WEBHOOKS_PORT']}"
    token = made.get(TOKENS, "as configured").removeprefix(LOCAL).removesuffix(ALL_ROLES)
    print(f"commands  {api}/v1/commands  bearer token: {token}")
    print(f"station   {api}/station  dead letters: {api}/dead-letters  documentation: {api}/docs")
    login = made.get("FLOWER_BASIC_AUTH", "as configured")
    print(f"Flower    http://127.0.0.1:{environment['FLOWER_PORT']}  login: {login}")
    if backing.valkey is not None:  # a configured one may have a password in its address
        print(f"server    {backing.valkey.url}  for the command line: export REDIS_URL={backing.valkey.url}")
    for vendor in vendors:
        sandbox = "  a sandbox" if vendor in backing.sandboxes else ""
        print(f"{vendor:<9} {environment[url_name(vendor)]}{sandbox}")
    print(f"routes    {environment['STOCKRELAY_ROUTING_CONFIG']}")
    print("Ctrl-C ends everything.", flush=True)


def _run_procfile(environment: Mapping[str, str], vendors: Collection[str]) -> int:
    honcho.manager.KILL_WAIT = STOP_SECONDS
    manager = honcho.manager.Manager()
    for name, command in read_procfile().items():
        if name not in SANDBOX_SECRETS or name in vendors:
            manager.add_process(name, command, env=dict(environment), cwd=str(ROOT))
    manager.loop()
    return 0 if manager.returncode in ASKED_TO_STOP else int(manager.returncode)


if __name__ == "__main__":
    sys.exit(main())
