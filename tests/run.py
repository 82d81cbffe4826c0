"""`make run`: the Procfile in the foreground, on an embedded server and a sandbox vendor unless settings name others.

The Procfile itself needs nothing from here: with REDIS_URL, vendor and tokens set, any process runner starts it.
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

from tests.backing import ROOT, Backing
from tests.process import accepts, free_port
from tests.stack import FLOWER, WEBHOOKS, read_procfile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VENDOR_URL: Final = "STOCKRELAY_PARTSBOX_URL"
VENDOR_KEYS: Final = ("STOCKRELAY_PARTSBOX_API_KEY", "STOCKRELAY_PARTSBOX_API_KEY_FILE")
TOKENS: Final = "STOCKRELAY_WEBHOOKS_TOKENS"

#: Where a person expects them; a free port is taken instead when somebody else listens there.
USUAL_PORTS: Final = {WEBHOOKS: 8080, FLOWER: 5555}

#: honcho kills what has not ended by then. A worker waits for its running vendor calls: 30 s by default, and a margin.
STOP_SECONDS: Final = 40

#: Exit codes honcho reports for a stop by Ctrl-C or SIGTERM, which are how one ends this program.
ASKED_TO_STOP: Final = frozenset({128 + signal.SIGINT, 128 + signal.SIGTERM})


def main() -> int:
    """Run until Ctrl-C, SIGTERM or the end of one process; return the exit code."""
    dotenv = ROOT / ".env"
    given = {**(honcho.environ.parse(dotenv.read_text()) if dotenv.exists() else {}), **os.environ}
    if bool(given.get(VENDOR_URL)) != any(given.get(name) for name in VENDOR_KEYS):
        print(f"{VENDOR_URL} and {' or '.join(VENDOR_KEYS)} belong together: set both or none.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # while the backing starts; later it is honcho's
    try:
        with _folder(given) as folder:
            made = _missing_settings(given, folder)
            with Backing(folder, {**given, **made}) as backing:
                _print_addresses(backing.environment, made)
                return _run_procfile(backing.environment)
    except BlockingIOError:
        print("Another `make run` with a real vendor is up in this folder.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


@contextlib.contextmanager
def _folder(given: Mapping[str, str]) -> Iterator[Path]:
    """Give the folder of an embedded server's data: for a real vendor kept, for the forgetful sandbox a passing one."""
    if not given.get(VENDOR_URL):
        with tempfile.TemporaryDirectory(prefix="stockrelay-") as name:
            yield Path(name)
        return
    folder = ROOT / "var" / "run"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:  # two servers on one set of files would destroy it
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder


def _missing_settings(given: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return what a first try needs and nobody set; the secrets are new ones at every start."""
    settings = {
        "STOCKRELAY_WEBHOOKS_HOST": "127.0.0.1",
        "STOCKRELAY_WEBHOOKS_PORT": _port(WEBHOOKS),
        "FLOWER_PORT": _port(FLOWER),
        "FLOWER_DB": str(folder / "flower"),
        "FLOWER_BASIC_AUTH": f"relay:{secrets.token_urlsafe(9)}",
    }
    if not given.get(f"{TOKENS}_FILE"):
        settings[TOKENS] = f"local:{secrets.token_urlsafe(18)}"
    return {name: value for name, value in settings.items() if not given.get(name)}


def _port(name: str) -> str:
    usual = USUAL_PORTS[name]
    return str(free_port() if accepts(usual) else usual)


def _print_addresses(environment: Mapping[str, str], made: Mapping[str, str]) -> None:
    """Print where everything is, and of the secrets those that were made up for this run."""
    api = f"http://{environment['STOCKRELAY_WEBHOOKS_HOST']}:{environment['STOCKRELAY_WEBHOOKS_PORT']}"
    token = made.get(TOKENS, "local:as configured").removeprefix("local:")
    print(f"commands  {api}/v1/commands  bearer token: {token}")
    login = made.get("FLOWER_BASIC_AUTH", "as configured")
    print(f"Flower    http://127.0.0.1:{environment['FLOWER_PORT']}  login: {login}")
    print(f"vendor    {environment[VENDOR_URL]}")
    print("Ctrl-C ends everything.", flush=True)


def _run_procfile(environment: Mapping[str, str]) -> int:
    honcho.manager.KILL_WAIT = STOP_SECONDS
    manager = honcho.manager.Manager()
    for name, command in read_procfile().items():
        manager.add_process(name, command, env=dict(environment), cwd=str(ROOT))
    manager.loop()
    return 0 if manager.returncode in ASKED_TO_STOP else int(manager.returncode)


if __name__ == "__main__":
    sys.exit(main())
