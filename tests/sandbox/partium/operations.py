"""The eight endpoints, by method and path, and the form of what each takes."""

from dataclasses import dataclass
from typing import Any

from tests.sandbox.partium import checks
from tests.sandbox.partium.nouns import NOUNS, Noun

CATALOG_PATH = "/1/catalog"

UPSERT, DELETE, LIST, SELECT = "upsert", "delete", "list", "select"
WRITES = (UPSERT, DELETE)


@dataclass(frozen=True)
class Operation:
    """One endpoint; its name, such as `parts/upsert`, is what faults and journal call it."""

    noun_name: str
    verb: str

    @property
    def name(self) -> str:
        return f"{self.noun_name}/{self.verb}"

    @property
    def noun(self) -> Noun:
        return NOUNS[self.noun_name]

    @property
    def writes(self) -> bool:
        return self.verb in WRITES

    def subjects(self, body: Any) -> list[str]:
        """Check the form of the body, and give the ids it is about; raises RefusedError."""
        id_name, fields = self.noun.id_name, self.noun.fields
        if self.verb == UPSERT:
            return [item[id_name] for item in checks.items(body, id_name)]
        if self.verb == DELETE:
            return checks.ids(body, "The body")
        if self.verb == LIST:
            body = checks.query(body, "paging", "projection", *(["query"] if "parent_id" in fields else []))
            checks.page(body)
            checks.parent_ids(body)
            asked: list[str] = []
        else:
            body = checks.query(body, f"{id_name}s", "projection")
            asked = checks.ids(body.get(f"{id_name}s"), f"{id_name}s")
        checks.projection(body, fields)
        return asked


ROUTES: dict[tuple[str, str], Operation] = {
    (method, f"{CATALOG_PATH}/{noun}{path}"): Operation(noun, verb)
    for noun in NOUNS
    for method, path, verb in (
        ("POST", "", UPSERT),
        ("DELETE", "", DELETE),
        ("POST", "/list", LIST),
        ("POST", "/select", SELECT),
    )
}

OPERATIONS: dict[str, Operation] = {operation.name: operation for operation in ROUTES.values()}
