"""The JSON of builds: the document's field names on one side, plain records on the other."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from tasks.builds import Build
from workers.vendors.models import AnswerModel, Request, Text
from workers.vendors.partsbox.wire.envelope import data_of
from workers.vendors.partsbox.wire.projects import Quantity


class _Build(AnswerModel):
    id: Text = Field(alias="build/id")
    project_id: Text | None = Field(default=None, alias="build/project-id")
    quantity: Quantity | None = Field(default=None, alias="build/quantity")
    comments: Text | None = Field(default=None, alias="build/comments")

    def record(self) -> Build:
        return Build(build_id=self.id, project_id=self.project_id, quantity=self.quantity, comments=self.comments or "")


class _Builds(AnswerModel):
    data: tuple[_Build, ...]


def build(body: dict[str, Any]) -> Build:
    """Read a build/get answer; ValueError when it is no build."""
    return _Build.model_validate(data_of(body, "build/")).record()


def builds(body: dict[str, Any]) -> tuple[Build, ...]:
    """Read a project/get-builds answer; ValueError when it can't be."""
    return tuple(row.record() for row in _Builds.model_validate(body).data)


class BuildId(Request):
    """build/get."""

    build_id: str = Field(alias="build/id")


class UpdateBuild(Request):
    """build/update."""

    build_id: str = Field(alias="build/id")
    comments: str = Field(alias="build/comments")
