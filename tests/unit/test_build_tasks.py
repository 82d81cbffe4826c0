"""How build.update is proved at the vendor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tasks.builds import Build, UpdateBuild
from tasks.errors import Exchange, RejectedError
from tasks.lookup import Absent, Image, Landed, Proof, Undecidable, Why
from tasks.registry import task_of
from tasks.task import Target

if TYPE_CHECKING:
    from tasks.ports import Sending

BUILD = "5" * 26
COMMAND = UpdateBuild(stock_timestamp=1_775_698_680_652, build_id=BUILD, new_comments="new")


@dataclass
class Vendor:
    """A vendor with one build, or none."""

    found: Build | None

    async def build(self, build_id: str) -> Build | None:
        assert build_id == BUILD
        return self.found

    async def update_build(self, command: UpdateBuild, _: Sending) -> Exchange:
        assert self.found is not None
        self.found = replace(self.found, comments=command.new_comments)
        return Exchange("build/update")


def target(vendor: Vendor, image: Image | None = None) -> Target[Any]:
    return Target(vendor, "a" * 20, image=image or Image())


async def test_a_comment_is_set_without_a_marker_and_proved_by_reading_it() -> None:
    vendor, task = Vendor(Build(BUILD, comments="old")), task_of("build.update")
    before = await task.before(COMMAND, target(vendor))
    assert (before.image.fields, before.finding) == ({"comments": "old"}, Absent())

    await task.send(COMMAND, target(vendor, before.image), cast("Sending", None))

    assert vendor.found == Build(BUILD, comments="new")
    finding = await task.proof(COMMAND, target(vendor, before.image))
    assert isinstance(finding, Landed)
    assert finding.proof is Proof.STATE
    assert finding.entries[0].shown() == {"build_id": BUILD, "comments": "new"}
    assert (await task.before(COMMAND, target(vendor))).finding == finding


async def test_a_comment_that_someone_else_wrote_meanwhile_is_not_overwritten() -> None:
    vendor, task = Vendor(Build(BUILD, comments="old")), task_of("build.update")
    image = (await task.before(COMMAND, target(vendor))).image
    assert await task.look(COMMAND, target(vendor, image)) == Absent()

    vendor.found = Build(BUILD, comments="theirs")

    finding = await task.look(COMMAND, target(vendor, image))
    assert isinstance(finding, Undecidable)
    assert finding.why is Why.CHANGED


async def test_a_build_that_is_not_there_is_refused() -> None:
    with pytest.raises(RejectedError, match=f"build_id: there is no {BUILD}") as caught:
        await task_of("build.update").before(COMMAND, target(Vendor(None)))

    assert caught.value.code == "not-found"
