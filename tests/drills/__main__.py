"""`make drills`: the long runs, by name or all."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import click
from rich.console import Console

from tests.drills import backpressure, kills, limiter, restarts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Found(Protocol):
    """What a drill found."""

    @property
    def is_right(self) -> bool: ...
    def lines(self) -> list[str]: ...


DRILLS: Final[Mapping[str, Callable[[Path], Found]]] = {
    "limiter": limiter.run,
    "restarts": restarts.run,
    "kills": kills.run,
    "backpressure": backpressure.run,
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(DRILLS)))
@click.option("--out", type=click.Path(path_type=Path), help="Write what was found as JSON.")
def main(*, names: tuple[str, ...], out: Path | None) -> None:
    """Play the drills; exit 1 when one finds anything wrong."""
    console, found = Console(), {}
    for name in names or DRILLS:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"drill-{name}-") as folder:
            found[name] = DRILLS[name](Path(folder))
        word = "right" if found[name].is_right else "WRONG"
        console.print(f"{name}: {word} ({time.monotonic() - started:.0f} s)", highlight=False)
        for line in found[name].lines():
            console.print(f"  {line}", markup=False, highlight=False)
    if out is not None:
        out.write_text(json.dumps({name: _shown(one) for name, one in found.items()}, indent=2) + "\n")
    sys.exit(0 if all(one.is_right for one in found.values()) else 1)


def _shown(found: Any) -> dict[str, Any]:
    shown = {name: value for name, value in asdict(found).items() if not isinstance(value, set)}
    return {"is_right": found.is_right, **shown}


if __name__ == "__main__":
    main()
