"""Comparing PartsBox: the stock history of every part by its markers, and each record that commands have set."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from workers.reconciler.cells import compare
from workers.reconciler.partsbox_parts import compare_parts
from workers.reconciler.partsbox_projects import compare_projects

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from workers.reconciler.comparison import Look

#: What its reads cannot tell.
NOTE: Final = (
    "only stock has a history here: of everything else the values last applied are compared with what is there now"
)


async def compare_partsbox(look: Look, port: Any, user: str | None) -> None:
    """Note every difference; `user` is the vendor's name of our API user, where it is known."""
    await compare_parts(look, port, user)
    await _compare_listed(look, "storage", port.storages)
    await _compare_listed(look, "lot", port.lots)
    await compare_projects(look, port)
    await _compare_builds(look, port)


async def _compare_listed(look: Look, noun: str, ask: Callable[[], Awaitable[Sequence[Any]]]) -> None:
    """Compare records of a noun that one read lists."""
    wanted = look.of(noun)
    if not wanted:
        return
    listed = await look.read(f"every {noun}", ask)
    if listed is None:
        return
    found = {getattr(record, f"{noun}_id"): record.values() for record in listed[0]}
    for subject, standing in wanted.items():
        compare(look.findings, subject, standing, found.get(subject.id), place=str(subject))


async def _compare_builds(look: Look, port: Any) -> None:
    for subject, standing in look.of("build").items():
        read = await look.read(str(subject), partial(port.build, subject.id))
        if read is not None:
            (build,) = read
            found = None if build is None else {"comments": build.comments}
            compare(look.findings, subject, standing, found, place=str(subject))
