"""The JSON of projects and their entries: the document's field names on one side, plain records on the other."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from tasks.project_entries import ProjectEntry
from tasks.projects import Project
from workers.vendors.models import AnswerModel, Request, Text, Whole
from workers.vendors.partsbox.wire.envelope import data_of

#: A count that is broken where the part has a unit (a newer document announces floats).
Quantity = Whole | Annotated[float, Field(strict=True, allow_inf_nan=False)]


class _Project(AnswerModel):
    id: Text = Field(alias="project/id")
    name: Text | None = Field(default=None, alias="project/name")
    description: Text | None = Field(default=None, alias="project/description")
    notes: Text | None = Field(default=None, alias="project/notes")
    #: Absent until it is archived for the first time.
    archived: Annotated[bool, Field(strict=True)] | None = Field(default=None, alias="project/archived?")

    def record(self) -> Project:
        return Project(
            project_id=self.id,
            name=self.name or "",
            description=self.description or "",
            notes=self.notes or "",
            archived=self.archived or False,
        )


class _Projects(AnswerModel):
    data: tuple[_Project, ...]


class _Entry(AnswerModel):
    id: Text = Field(alias="entry/id")
    #: A line of a bill of materials can be there before anyone has said which part it is.
    part_id: Text | None = Field(default=None, alias="entry/part-id")
    quantity: Quantity | None = Field(default=None, alias="entry/quantity")
    name: Text | None = Field(default=None, alias="entry/name")
    comments: Text | None = Field(default=None, alias="entry/comments")
    designators: tuple[Text, ...] | None = Field(default=None, alias="entry/designators")
    order: Whole | None = Field(default=None, alias="entry/order")
    cad_footprint: Text | None = Field(default=None, alias="entry/cad-footprint")

    def record(self) -> ProjectEntry:
        return ProjectEntry(
            entry_id=self.id,
            part_id=self.part_id,
            quantity=self.quantity,
            name=self.name,
            comments=self.comments,
            designators=self.designators,
            order=self.order,
            cad_footprint=self.cad_footprint,
        )


class _Entries(AnswerModel):
    data: tuple[_Entry, ...]


def project(body: dict[str, Any]) -> Project:
    """Read a project/get answer; ValueError when it is no project."""
    return _Project.model_validate(data_of(body, "project/")).record()


def projects(body: dict[str, Any]) -> tuple[Project, ...]:
    """Read a project/all answer; ValueError when it can't be."""
    return tuple(row.record() for row in _Projects.model_validate(body).data)


def entries(body: dict[str, Any]) -> tuple[ProjectEntry, ...]:
    """Read a project/get-entries answer; ValueError when it can't be."""
    return tuple(row.record() for row in _Entries.model_validate(body).data)


class ProjectId(Request):
    """Operations on one project that need only its id."""

    project_id: str = Field(alias="project/id")


class CreateProject(Request):
    """project/create, always without entries: whether it is atomic with them is not documented."""

    name: str = Field(alias="project/name")
    description: str | None = Field(alias="project/description")
    notes: str = Field(alias="project/notes")


class UpdateProject(Request):
    """project/update."""

    project_id: str = Field(alias="project/id")
    name: str | None = Field(alias="project/name")
    description: str | None = Field(alias="project/description")
    notes: str | None = Field(alias="project/notes")


class GetEntries(Request):
    """project/get-entries; with `build_id` those of that build."""

    project_id: str = Field(alias="project/id")
    build_id: str | None = Field(alias="build/id")


class AddedEntry(Request):
    """One entry of project/add-entries."""

    part_id: str | None = Field(alias="entry/part-id")
    quantity: int | float | None = Field(alias="entry/quantity")
    name: str | None = Field(alias="entry/name")
    comments: str | None = Field(alias="entry/comments")
    designators: tuple[str, ...] | None = Field(alias="entry/designators")
    order: int | None = Field(alias="entry/order")
    cad_footprint: str | None = Field(alias="entry/cad-footprint")


class AddEntries(Request):
    """project/add-entries."""

    project_id: str = Field(alias="project/id")
    entries: tuple[AddedEntry, ...]


class ChangedEntry(AddedEntry):
    """One entry of project/update-entries, as it shall be."""

    id: str = Field(alias="entry/id")


class UpdateEntries(Request):
    """project/update-entries."""

    project_id: str = Field(alias="project/id")
    entries: tuple[ChangedEntry, ...]


class DeleteEntries(Request):
    """project/delete-entries."""

    project_id: str = Field(alias="project/id")
    ids: tuple[str, ...]
