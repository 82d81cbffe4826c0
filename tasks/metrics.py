"""A process's numbers for Prometheus: one registry, served as text on a port of their own.

Names and units follow Prometheus' own rules (https://prometheus.io/docs/practices/naming/); no label is unbounded.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, start_http_server

from tasks.settings import METRICS_PREFIX, MetricsSettings, SettingsError, read_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Of a program that is there for nothing else.
DEFAULT_PORT: Final = 9807

#: What this process counts.
REGISTRY: Final = CollectorRegistry(auto_describe=True)


@contextmanager
def serving_metrics(
    environ: Mapping[str, str], registry: CollectorRegistry = REGISTRY, *, default_port: int | None = None
) -> Iterator[str | None]:
    """Serve the numbers while the block runs, in a thread; gives their address, None without a port.

    SettingsError for a wrong setting, and for a port that cannot be had.
    """
    settings = read_environment(MetricsSettings, METRICS_PREFIX, environ)
    port = settings.port or default_port
    if port is None:
        yield None
        return
    try:
        server, thread = start_http_server(port, settings.host, registry)
    except OSError as error:
        where = f"{port} at {settings.host}"
        raise SettingsError(f"{METRICS_PREFIX}PORT: {where} cannot be opened: {error.strerror or error}") from None
    try:
        yield f"http://{settings.host}:{port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
