"""The build operations of PartsBox: build/get, project/get-builds and build/update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.vendors.partsbox.client import Capability
from workers.vendors.partsbox.wire import builds as wire
from workers.vendors.partsbox.wire.projects import ProjectId

if TYPE_CHECKING:
    from tasks.builds import Build, UpdateBuild
    from tasks.errors import Exchange
    from tasks.ports import Sending


class PartsBoxBuilds(Capability):
    """Builds at PartsBox; see `tasks.builds.BuildPort`."""

    async def build(self, build_id: str) -> Build | None:
        return await self._client.find("build/get", wire.BuildId(build_id=build_id), wire.build)

    async def project_builds(self, project_id: str) -> tuple[Build, ...] | None:
        """Read all builds of a project; None when there is no such project."""
        return await self._client.find("project/get-builds", ProjectId(project_id=project_id), wire.builds)

    async def update_build(self, command: UpdateBuild, sending: Sending) -> Exchange:
        request = wire.UpdateBuild(build_id=command.build_id, comments=command.new_comments)
        return await self._client.change("build/update", request, sending)
