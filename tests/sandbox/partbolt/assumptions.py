"""What the vendor document leaves open, in one place, each to be verified on first live contact.

Switchable are the fields of Assumptions. Built in, also inferred:

- the shape of `data`, the names of scopes, and every endpoint beside parts/get are invented;
- ids are 10 capital letters and digits, as the item codes that the vendor's help centre shows; anything else, and an id
  given twice, is an invalid parameter; the `id=1` of the document is taken as a sample of syntax alone;
- the token is checked first, then the quota, the path, the method, the scope and the parameters;
- parameters are read from the query alone, unknown ones are ignored;
- hints beside the one in the document, and the code of a 429, which is in no list.
"""

from dataclasses import dataclass
from typing import Any

#: the codes that an answer can carry, with their HTTP statuses and messages (vendors.md 5.3)
CODES = {
    "forbidden": (403, "You don't have permission to do that."),
    "internal_server_error": (500, "An internal server error occurred."),
    "invalid_params": (400, "One or more of the request parameters were invalid."),
    "missing_params": (400, "One or more required parameters were missing from the request."),
    "not_found": (404, "The requested item could not be found."),
    "over_quota": (402, "That's not available with your plan."),
    "token_invalid": (401, "The provided token was not valid."),
}


@dataclass
class Assumptions:
    """The switchable readings of the document."""

    #: requests that the plan allows from now on; None is no quota, 0 the plan without API access
    quota_requests: int | None = None
    missing_token_code: str = "token_invalid"
    #: the answer to another method than GET, which the document does not name
    wrong_method_code: str = "invalid_params"

    def __setattr__(self, name: str, value: Any) -> None:
        if name.endswith("_code") and value not in CODES:
            raise ValueError(f"{name} is one of {', '.join(CODES)}")
        super().__setattr__(name, value)
