"""What the vendor documents leave open, in one place, each to be verified on first live contact.

Switchable here: sizes, the shape of the values of `errors`, what a DELETE says about ids that do not exist, whether
unknown fields are refused, fields that appear unannounced, the HTTP status of each problem.
Built in, also inferred:

- the statuses 401, 403, 411, 413, 415, 422 and 429 are those of the vendor's sister APIs, with a `detail` as body;
- an item without a usable id makes the whole request 422, since `errors` is keyed by id;
- items are done one after another: the second of two with the same id updates what the first has created, and its id
  is in `created` and in `updated`; a request is not atomic;
- a new part or assembly needs its name, a new assembly its parent_id too; an update replaces the top-level fields it
  carries and keeps the others;
- a name has at least one language, all of the catalog's languages, and no empty text;
- /select leaves out ids that do not exist and follows the order asked for;
- /list orders by age, gives at most `largest_page` results, and its last page has a last_object_id too;
- an empty query.parent_ids matches nothing;
- an attribute value for one organization needs an attribute that allows it (per_org_values);
- the status of the catalog returns to processing when something is written before the import.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

#: problem -> HTTP status
DEFAULT_STATUSES = {
    "unauthorized": 401,
    "forbidden": 403,
    "not-found": 404,
    "method-not-allowed": 405,
    "length-required": 411,
    "too-large": 413,
    "unsupported": 415,
    "invalid": 422,
    "rate-limited": 429,
    "maintenance": 503,
}

#: what a sister API takes, 5.5 MiB
LARGEST_BODY_BYTES = 5 * 1024 * 1024 + 512 * 1024


#: how a value of `errors` can be written
ERROR_SHAPES: dict[str, Callable[[str], Any]] = {
    "text": lambda text: text,
    "list": lambda text: [text],
    "object": lambda text: {"message": text},
}


@dataclass
class Assumptions:
    """The switchable readings of the documents."""

    largest_body_bytes: int = LARGEST_BODY_BYTES
    #: more items in one request are answered with 413; None takes any number
    most_items: int | None = None
    largest_page: int = 1000
    #: a value of `errors` is a text, a list of texts, or an object with a message (vendors.md 3.6, contradiction 2)
    error_shape: str = "text"
    #: an id that does not exist is among `errors`, or nowhere (vendors.md 3.5)
    missing_ids_are_errors: bool = True
    unknown_fields_are_errors: bool = True
    #: every answer has fields that no document names (vendors.md 3.4)
    unannounced_fields: bool = False
    statuses: dict[str, int] = field(default_factory=lambda: dict(DEFAULT_STATUSES))

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "error_shape" and value not in ERROR_SHAPES:
            raise ValueError(f"{name} is one of {', '.join(ERROR_SHAPES)}")
        super().__setattr__(name, value)

    def error_value(self, text: str) -> Any:
        """Write the error of one item."""
        return ERROR_SHAPES[self.error_shape](text)
