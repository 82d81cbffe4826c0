"""`stockrelay doctor`: examines the installation, and says what to do."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import click
from redis.exceptions import RedisError
from rich.text import Text

from tasks.redis_client import open_redis
from tasks.registry import vendors
from tasks.settings import SettingsError, redis_url
from tasks.submit import now_ms
from workers.cli.arguments import json_option
from workers.cli.doctor import places, redis, running, settings
from workers.cli.doctor.findings import CHECK_SECONDS, Severity, examine, wrong
from workers.cli.doctor.reaching import check_vendor
from workers.cli.screen import Screen, print_json
from workers.vendor_settings import VENDOR_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redis.asyncio import Redis

    from workers.cli.doctor.findings import Check, Finding

EXIT_WRONG: Final = 1
_COLOURS: Final = {
    Severity.OK: "green",
    Severity.WARNING: "yellow",
    Severity.WRONG: "red",
    Severity.UNCHECKED: "magenta",
}
_ORDER: Final = (Severity.WRONG, Severity.WARNING, Severity.UNCHECKED, Severity.OK)
_ALLOW_WEAK: Final = "STOCKRELAY_LEDGER_ALLOW_WEAK_REDIS"


@dataclass(frozen=True, slots=True)
class Installation:
    """What is examined: the settings of this environment, and what they point at."""

    environ: Mapping[str, str]
    role: str = "worker"
    clock_ms: Callable[[], int] = now_ms
    seconds: float = CHECK_SECONDS

    async def examined(self) -> list[Finding]:
        """Examine it all; gives every finding. Never raises for what it finds, and ends within the deadlines."""
        try:
            client = open_redis(redis_url(self.environ))
        except SettingsError as error:
            told = wrong("redis", str(error), "correct it: nothing starts with it")
            return [told, *await examine(self._offline(None), self.seconds)]
        try:
            there = await examine({"redis": partial(redis.check_server, client)}, self.seconds)
            is_there = all(finding.severity is not Severity.WRONG for finding in there)
            online = self._online(client) if is_there else {}
            offline = self._offline(client if is_there else None)
            return [*there, *await examine({**online, **offline}, self.seconds)]
        finally:
            await _closed(client)

    def _online(self, client: Redis) -> dict[str, Check]:
        allow_weak = self.environ.get(_ALLOW_WEAK) == "1"
        return {
            "durability": partial(redis.check_durability, client, allow_weak=allow_weak),
            "replicas": partial(redis.check_replicas, client),
            "memory": partial(redis.check_memory, client),
            "clock here": partial(redis.check_clock, client, self.clock_ms),
            "rights": partial(redis.check_rights, client, self.role),
            "processes": partial(running.check_processes, client, version("stockrelay")),
            **{f"{vendor} work": partial(running.check_served, vendor, client, self.environ) for vendor in vendors()},
        }

    def _offline(self, client: Redis | None) -> dict[str, Check]:
        producers = places.configured(self.environ)
        return {
            "settings": partial(settings.check_settings, self.environ),
            "worker settings": partial(settings.check_worker, self.environ),
            "routes": partial(settings.check_routes, self.environ),
            **{f"{one} limits": partial(settings.check_limits, one, self.environ) for one in VENDOR_SETTINGS},
            **{one: partial(check_vendor, one, self.environ, client) for one in VENDOR_SETTINGS},
            "secret files": partial(places.check_secrets, self.environ),
            **{f"{one.lower()} disk": partial(places.check_kept, one, self.environ) for one in producers},
            **{f"{one.lower()} settings": partial(places.check_program, one, self.environ) for one in producers},
        }


async def _closed(client: Redis) -> None:
    try:
        await client.aclose()
    except (RedisError, OSError):
        return  # it was away before


@click.command()
@click.option(
    "--role",
    type=click.Choice(list(redis.RIGHTS)),
    default="worker",
    show_default=True,
    help="Whose rights in Redis are tried: the program's that has this environment.",
)
@json_option()
@click.pass_context
def doctor(ctx: click.Context, *, role: str, as_json: bool) -> None:
    """Examine the installation, and say what to do.

    Run it with the environment of the program that is to be examined. Looks at the settings and at limits that
    contradict each other, Redis (durability, replicas, memory, clock, this login's rights), the processes seen, the
    vendors whose settings are here (address, certificate, and one read with our key), secret files, disks, and the
    files of routes, sources and feeds. Nothing is changed, at no vendor either: the read takes one turn of the limits,
    and at OpenBOM a login where no process has one. No secret is shown.

    --json: [{severity ("ok", "warning", "wrong" or "could not be checked"), about, found, advice}].

    Exit codes: 0 nothing is wrong (warnings included), 1 something is, 2 wrong usage.
    """
    findings = asyncio.run(Installation(os.environ, role).examined())
    if as_json:
        print_json([finding.public() for finding in findings])
    else:
        _print(findings)
    if any(finding.severity is Severity.WRONG for finding in findings):
        ctx.exit(EXIT_WRONG)


def _print(findings: list[Finding]) -> None:
    screen = Screen()
    worst_first = sorted(findings, key=lambda each: _ORDER.index(each.severity))
    rows = [(_word(each.severity), each.about, each.found, each.advice) for each in worst_first]
    screen.table(("", "about", "found", "what to do"), rows)
    counted = [(severity, sum(each.severity is severity for each in findings)) for severity in Severity]
    screen.line(", ".join(f"{count} {severity.value}" for severity, count in counted if count))


def _word(severity: Severity) -> Text:
    return Text(severity.value, style=_COLOURS[severity])
