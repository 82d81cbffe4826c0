"""`stockrelay-webhooks run` as a process, with sources from a file, for tests that kill it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from tests.integration.hooks_harness import CONFIG, ENVIRON, TOKEN
from tests.process import Process, accepts, free_port

if TYPE_CHECKING:
    from pathlib import Path

COMMAND: Final = (sys.executable, "-m", "producers.webhooks.main")


class WebhooksServer(Process):
    """One server on a port, a spool and a configuration of its own, which survive a restart."""

    def __init__(self, folder: Path, redis_url: str, *, config: str = CONFIG, **settings: str) -> None:
        self.port = free_port()
        self.config = folder / "stockrelay.toml"
        self.config.write_text(config)
        self.environment = {
            **os.environ,
            **ENVIRON,
            "REDIS_URL": redis_url,
            "STOCKRELAY_WEBHOOKS_PORT": str(self.port),
            "STOCKRELAY_WEBHOOKS_TOKENS": f"erp:{TOKEN}",
            "STOCKRELAY_WEBHOOKS_CONFIG": str(self.config),
            "STOCKRELAY_WEBHOOKS_SPOOL": str(folder / "spool.sqlite3"),
            "STOCKRELAY_WEBHOOKS_REQUESTS_PER_MINUTE": "0",
            **settings,
        }
        super().__init__(
            "webhooks",
            [*COMMAND, "run"],
            log=folder / "webhooks.log",
            ready=lambda: accepts(self.port),
            environment=self.environment,
        )

    @property
    def url(self) -> str:
        """The server, without a path."""
        return f"http://127.0.0.1:{self.port}"
