"""Where catalog parts go, and how another vendor's part becomes one: the configuration file, and its paths into data.

A path names a value inside nested data by its keys, joined by dots: `name.en`, `attributes.weight.en`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

if TYPE_CHECKING:
    from pathlib import Path

Path_ = Annotated[str, StringConstraints(pattern=r"^[^.\s][^.]*(\.[^.]+){0,9}$", max_length=400)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]

#: Its queue and ledger hold what concerns several vendors: the parents of commands that each of them gets.
ROUTING: Final = "routing"
#: A value longer than this is no name or attribute.
MAX_VALUE: Final = 10_000


#: Tables of the same file that the producers read: `producers.webhooks.sources`, `producers.files.feeds`.
OTHERS_TABLES: Final = frozenset({"sources", "feeds"})


class RoutesError(ValueError):
    """The routes file cannot be used; the text names the place in it."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PartsBoxRoute(_Section):
    """A catalog part becomes a part of that name at PartsBox too; paths into the catalog part."""

    name: Path_
    description: Path_ | None = None
    footprint: Path_ | None = None


class OpenBomRoute(_Section):
    """Properties of a catalog part go into its row of an OpenBOM catalog; `properties` maps columns to paths."""

    catalog_id: Name
    part_number: Path_ = "part_id"
    part_number_property: Name = "Part Number"
    properties: Annotated[Mapping[Name, Path_], Field(min_length=1, max_length=50)]


class CatalogPartRoute(_Section):
    """Where a catalog part goes besides the catalog itself."""

    partsbox: PartsBoxRoute | None = None
    openbom: OpenBomRoute | None = None


class PartImport(_Section):
    """How a vendor's part becomes a catalog part; paths into the vendor's data."""

    part_id: Path_ = "id"
    name: Annotated[Mapping[Language, Path_], Field(min_length=1)]
    attributes: Mapping[Name, Annotated[Mapping[Language, Path_], Field(min_length=1)]] = Field(default_factory=dict)


class _Routes(_Section):
    catalog_part: CatalogPartRoute = CatalogPartRoute()


class _Imports(_Section):
    partbolt: PartImport | None = None


class Routes(_Section):
    """The whole configuration; empty, a catalog part goes to the catalog only and nothing can be imported."""

    routes: _Routes = _Routes()
    imports: _Imports = _Imports()


def read_routes(path: Path | None) -> Routes:
    """Read the file; empty routes without one. Raises RoutesError naming what is wrong."""
    if path is None:
        return Routes()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RoutesError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RoutesError(f"{path}: not TOML: {error}") from error
    try:
        return Routes.model_validate({name: table for name, table in found.items() if name not in OTHERS_TABLES})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "(file)"
        raise RoutesError(f"{path}: {where}: {first['msg']}") from None


def value_at(data: Any, path: str) -> str | None:
    """Find the value at a path as text; None where there is none, or an empty one.

    Raises ValueError where something else than a text, a number or a yes or no stands there.
    """
    for step in path.split("."):
        if not isinstance(data, Mapping):
            return None
        data = data.get(step)
    if data is None:
        return None
    if isinstance(data, bool):
        return "yes" if data else "no"
    if not isinstance(data, str | int | float):
        message = f"{path}: a {type(data).__name__}, not one value; name a key inside it"
        raise ValueError(message)  # noqa: TRY004  it is the data that is wrong
    text = str(data).strip()
    if len(text) > MAX_VALUE:
        raise ValueError(f"{path}: longer than {MAX_VALUE} characters")
    return text or None
