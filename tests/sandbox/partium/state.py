"""Everything the vendor remembers: parts, assemblies, what refers to them, and who may ask."""

import copy
from collections import defaultdict
from dataclasses import dataclass, field

from tests.sandbox.partium.assumptions import Assumptions
from tests.sandbox.partium.catalog_status import CatalogStatus
from tests.sandbox.partium.checks import Page
from tests.sandbox.partium.ontology import Attribute, Catalog
from tests.sandbox.partium.wire import Record
from tests.sandbox.wire import RefusedError

#: an invented key
API_KEY = "sandbox-partium-key-0000"
#: the user that key belongs to
API_USER = "relay"


@dataclass(frozen=True)
class ApiUser:
    """Who a key belongs to, and the operations it may not use."""

    name: str
    denied: frozenset[str] = frozenset()


@dataclass
class Stored:
    """One part or assembly, and the id by which pages are cut."""

    object_id: str
    value: Record


@dataclass
class Shelf:
    """All parts, or all assemblies, in the order they were created."""

    id_name: str
    fields: tuple[str, ...]
    objects: dict[str, Stored] = field(default_factory=dict)
    _numbered: int = 0

    def __contains__(self, item_id: str) -> bool:
        return item_id in self.objects

    def get(self, item_id: str) -> Record | None:
        """Give a copy of the whole object."""
        return copy.deepcopy(self.objects[item_id].value) if item_id in self.objects else None

    def put(self, item: Record) -> bool:
        """Create an object, or replace the top-level fields that the item carries; tells whether it is new."""
        item_id = item[self.id_name]
        is_new = item_id not in self.objects
        if is_new:
            self._numbered += 1
            self.objects[item_id] = Stored(f"{self._numbered:024x}", {})
        self.objects[item_id].value.update(copy.deepcopy(item))
        return is_new

    def remove(self, item_id: str) -> None:
        """Forget an object."""
        del self.objects[item_id]

    def select(self, item_ids: list[str], names: tuple[str, ...]) -> list[Record]:
        """Give the objects that exist, in the order asked for, each once."""
        return [self._shown(self.objects[one], names) for one in dict.fromkeys(item_ids) if one in self.objects]

    def page(self, page: Page, names: tuple[str, ...], parents: list[str] | None, largest: int) -> Record:
        """Give one page of results, oldest first; raises RefusedError for a cursor that never was."""
        if page.after is not None and not self._was_given(page.after):
            raise RefusedError("invalid", "paging.last_object_id is unknown")
        rest = [
            stored
            for stored in self.objects.values()
            if (page.after is None or stored.object_id > page.after)
            and (parents is None or stored.value["parent_id"] in parents)
        ]
        shown = rest[: min(page.limit, largest)]
        last_object_id = shown[-1].object_id if shown else page.after or ""
        result = [self._shown(stored, names) for stored in shown]
        return {"result": result, "last_object_id": last_object_id, "more_data": len(rest) > len(shown)}

    def _shown(self, stored: Stored, names: tuple[str, ...]) -> Record:
        return {name: stored.value[name] for name in (self.id_name, *names) if name in stored.value}

    def _was_given(self, object_id: str) -> bool:
        return object_id in {f"{number:024x}" for number in range(1, self._numbered + 1)}


@dataclass
class Maintenance:
    """The switch under which reads work and writes are answered with 503."""

    on: bool = False
    #: sent along as Retry-After when given
    retry_after_seconds: int | None = None


@dataclass
class State:
    """One catalog."""

    assumptions: Assumptions = field(default_factory=Assumptions)
    users: dict[str, ApiUser] = field(default_factory=lambda: {API_KEY: ApiUser(API_USER)})
    languages: tuple[str, ...] = ("en",)
    organizations: frozenset[str] = frozenset()
    attributes: dict[str, Attribute] = field(default_factory=dict)
    parts: Shelf = field(default_factory=lambda: Shelf("part_id", ("name", "attributes")))
    assemblies: Shelf = field(default_factory=lambda: Shelf("ass_id", ("parent_id", "name")))
    #: assemblies by the part that is assigned to them
    assignments: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    #: part by image
    images: dict[str, str] = field(default_factory=dict)
    maintenance: Maintenance = field(default_factory=Maintenance)
    catalog_status: CatalogStatus = field(default_factory=CatalogStatus)

    @property
    def catalog(self) -> Catalog:
        """What the catalog allows now."""
        return Catalog(self.languages, self.organizations, self.attributes)

    def children(self, ass_id: str) -> list[str]:
        """List the direct sub-assemblies."""
        return [one for one, stored in self.assemblies.objects.items() if stored.value["parent_id"] == ass_id]

    def ancestors(self, ass_id: str) -> list[str]:
        """List an assembly and everything above it, the root last."""
        line = []
        while ass_id:
            line.append(ass_id)
            ass_id = self.assemblies.objects[ass_id].value["parent_id"]
        return line

    def describe(self) -> Record:
        """Give everything as JSON."""
        return {
            "parts": [stored.value for stored in self.parts.objects.values()],
            "assemblies": [stored.value for stored in self.assemblies.objects.values()],
            "assignments": {part_id: sorted(ass_ids) for part_id, ass_ids in self.assignments.items() if ass_ids},
            "images": self.images,
            "languages": self.languages,
            "organizations": sorted(self.organizations),
            "maintenance": vars(self.maintenance),
            "catalog": self.catalog_status.describe(),
        }
