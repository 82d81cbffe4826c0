"""Somebody who examines an installation, and what they are told."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from workers.cli import main

if TYPE_CHECKING:
    from collections.abc import Mapping

Told = dict[str, list[tuple[str, str]]]


async def doctor(url: str, *words: str, code: int, **settings: Any) -> str:
    """Run the program; fails when its exit code is another."""
    given: Mapping[str, str | None] = {"REDIS_URL": url, "COLUMNS": "300", "NO_COLOR": "1", **settings}
    result = await asyncio.to_thread(CliRunner().invoke, main, ("doctor", *words), env=given)
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    return result.stdout


async def examined(url: str, *words: str, code: int = 0, **settings: Any) -> Told:
    """Run it for programs; gives severity and finding by what they are about."""
    told: Told = {}
    findings: Any = json.loads(await doctor(url, "--json", *words, code=code, **settings))
    for each in findings:
        assert list(each) == ["severity", "about", "found", "advice"]
        assert each["advice"] or each["severity"] in ("ok", "could not be checked"), each
        told.setdefault(each["about"], []).append((each["severity"], each["found"]))
    return told


def only(told: Told, about: str) -> tuple[str, str]:
    """Give the one finding about something."""
    (found,) = told[about]
    return found


def severities(told: Told, about: str) -> list[str]:
    return [severity for severity, _ in told[about]]
