"""Reading notes that another release may have written."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def known_fields(kind: type[Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Give those fields that the dataclass has; what a newer release has added is left out."""
    return {field.name: found[field.name] for field in fields(kind) if field.name in found}
