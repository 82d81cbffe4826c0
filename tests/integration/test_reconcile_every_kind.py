"""Every kind of command, applied at every vendor: no difference until someone else sets what was set, and then one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.records import State
from tasks.submit import Submitter, now_ms
from tests.conformance.rounds import opened
from tests.integration.reconciler_harness import Warehouse, put_right
from tests.relay import consuming
from workers.reconciler import RECONCILED
from workers.reconciler.findings import Finding

if TYPE_CHECKING:
    from tests.conftest import SharedValkey
    from workers.reconciler.findings import Difference


async def differences(house: Warehouse, since_ms: int) -> list[Difference]:
    reports = [await house.reconcile(vendor, since_ms=since_ms) for vendor in RECONCILED]
    assert [report.uncompared for report in reports] == [(), (), ()]
    return [difference for report in reports for difference in report.differences]


async def test_every_kind_is_compared_and_what_someone_else_set_is_found_and_put_right(valkey: SharedValkey) -> None:
    async with opened(valkey.url) as played, consuming(played.relay):
        since_ms = now_ms() + 1  # behind everything that was there before
        for case in played.scenes:
            await played.admit(case)
        ended = await played.endings()
        assert {
            name: str(seen) for name, seen in ended.items() if getattr(seen, "parent", None) is not State.APPLIED
        } == {}
        house = Warehouse(played.relay, played.redis)

        assert await differences(house, since_ms) == []

        meddled = {case: scene for case, scene in played.scenes.items() if scene.meddle is not None}
        for scene in meddled.values():
            if scene.meddle is not None:
                scene.meddle()
        found = await differences(house, since_ms)
        assert sorted((each.finding, each.kind) for each in found) == sorted(
            (Finding.CHANGED, case.writer) for case in meddled
        )

        house.relay.submitter = Submitter(played.redis)  # each to its own vendor alone
        await put_right(house, *found)
        assert {case.name: scene.found() for case, scene in meddled.items()} == {
            case.name: scene.wanted for case, scene in meddled.items()
        }
        assert await differences(house, since_ms) == []
