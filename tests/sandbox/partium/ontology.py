"""The attribute ontology: which attributes a part may have, and which values."""

from dataclasses import dataclass
from typing import Any

from tests.sandbox.partium import checks
from tests.sandbox.partium.wire import Record
from tests.sandbox.wire import RefusedError

TEXT, ENUM = "text", "enum"


@dataclass(frozen=True)
class Attribute:
    """One attribute of the ontology."""

    attribute_id: str
    kind: str = TEXT
    #: may one organization have a value of its own?
    per_org_values: bool = False
    #: what an enum may be, each a dictionary of texts by language
    choices: tuple[Record, ...] = ()


@dataclass(frozen=True)
class Catalog:
    """What the catalog allows: languages, organizations and attributes."""

    languages: tuple[str, ...]
    organizations: frozenset[str]
    attributes: dict[str, Attribute]

    def check(self, given: Any) -> None:
        """Check the `attributes` of a part; raises RefusedError."""
        if not isinstance(given, list):
            raise _wrong("attributes must be an array")
        seen: set[str] = set()
        for attribute in given:
            _check_fields(attribute, ("attribute_id", "values"), "an attribute")
            known = self.attributes.get(attribute["attribute_id"])
            if known is None:
                raise _wrong(f"attribute {attribute['attribute_id']} does not exist")
            if known.attribute_id in seen:
                raise _wrong(f"attribute {known.attribute_id} is given twice")
            seen.add(known.attribute_id)
            self._check_values(known, attribute["values"])

    def _check_values(self, attribute: Attribute, values: Any) -> None:
        if not isinstance(values, list):
            raise _wrong(f"values of {attribute.attribute_id} must be an array")
        seen: set[str] = set()
        for value in values:
            _check_fields(value, ("organization", "value"), f"a value of {attribute.attribute_id}")
            organization = value["organization"]
            if organization in seen:
                raise _wrong(f"{attribute.attribute_id} has two values for the organization {organization!r}")
            seen.add(organization)
            self._check_organization(attribute, organization)
            self._check_value(attribute, value["value"])

    def _check_organization(self, attribute: Attribute, organization: str) -> None:
        if organization and organization not in self.organizations:
            raise _wrong(f"organization {organization} does not exist")
        if organization and not attribute.per_org_values:
            raise _wrong(f"{attribute.attribute_id} has no values for single organizations")

    def _check_value(self, attribute: Attribute, value: Any) -> None:
        checks.texts_by_language(value, self.languages, attribute.attribute_id)
        if attribute.kind == ENUM and not any(value.items() <= choice.items() for choice in attribute.choices):
            raise _wrong(f"{attribute.attribute_id} cannot be {value}")


def _check_fields(record: Any, names: tuple[str, str], what: str) -> None:
    """Check that a record has these two fields and no others, the first one a text."""
    if not isinstance(record, dict) or record.keys() != set(names) or not isinstance(record[names[0]], str):
        raise _wrong(f"{what} must have {names[0]} and {names[1]}")


def _wrong(message: str) -> RefusedError:
    return RefusedError("invalid", message)
