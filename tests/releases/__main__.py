"""`python -m tests.releases record`: keep what the code of today writes, and the code, in the folder of its version."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import socket
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from tasks.redis_client import open_redis
from tests.releases import FOLDER, code, producers
from tests.releases.scene import played
from tests.releases.state import read_redis, to_text
from tests.valkey import ValkeyServer

#: Stands for the machine's name and the folder of the recording, which nobody else has.
HOST = "relay-1"
PLACE = "/srv/stockrelay"


def main() -> int:
    """Record; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.releases", description=__doc__)
    parser.add_argument("what", choices=["record"])
    parser.add_argument("--again", action="store_true", help="replace what was recorded of this version before")
    given = parser.parse_args()
    target = FOLDER / version("stockrelay")
    if target.exists() and not given.again:
        sys.stderr.write(f"{target.name}: recorded already; a published release is not recorded again (else --again)\n")
        return 1
    host, socket.gethostname = socket.gethostname(), lambda: HOST
    with tempfile.TemporaryDirectory() as place:
        texts = {name: _anonymous(text, host, place) for name, text in asyncio.run(_recorded(Path(place))).items()}
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name, text in texts.items():
        (target / name).write_text(text)
    code.pack(target)
    print(f"recorded {target.name}: {', '.join(sorted(path.name for path in target.iterdir()))}")
    return 0


async def _recorded(folder: Path) -> dict[str, str]:
    with ValkeyServer(folder / "valkey") as server:
        redis = open_redis(server.url)
        try:
            keys = await played(redis)
            ledger = await read_redis(redis)
        finally:
            await redis.aclose()
    files = {f"{name}.sql": text for name, text in (await producers.recorded(folder)).items()}
    return {"keys.json": to_text(keys), "redis.json": to_text(ledger), **files}


def _anonymous(text: str, host: str, place: str) -> str:
    return text.replace(place, PLACE).replace(host, HOST)


if __name__ == "__main__":
    sys.exit(main())
