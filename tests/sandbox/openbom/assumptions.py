"""What the vendor document leaves open, in one place, each to be verified on first live contact.

Switchable are the fields of Assumptions. The document says that all possible responses are listed with each method, and
lists 401, 403 and 500 for every method but login: so what is not there is answered with 500 unless switched.
Built in, also inferred:

- a missing app key is echoed as `null`; app keys are checked first, then the path, then the token;
- a token is good for the app key that it was issued to; every login gives a new token;
- `refresh_token` is given and accepted nowhere: the path of the renew call is unknown;
- a parameter that is missing or no string is answered as login answers a missing username;
- order BOMs are read and written like BOMs, under /bom/;
- when part numbers repeat, the first row changes;
- part numbers are compared with their text, properties by name and exactly;
- values are stored as sent, also in number columns, and a formula or a roll-up is never calculated;
- a queued write that cannot be done when its time comes is dropped without a word;
- the body of a 202, all texts beside those of 400, 401, 403 and 500, and where `data` documents define their columns.
"""

from dataclasses import dataclass, field
from typing import Any

#: problem -> HTTP status
DEFAULT_STATUSES = {
    "missing-parameter": 400,
    "login-failed": 401,
    "token": 401,
    "app-key": 403,
    "unknown-path": 404,
    "wrong-method": 405,
    #: the sixth concurrent request; 503 is the other candidate, the glossary has no 429
    "too-many-requests": 429,
    #: refused by the client's own limit when that is enforced
    "rate-limited": 429,
    "unknown-document": 500,
    "unknown-row": 500,
    "unknown-property": 500,
}

#: requests in flight that the vendor allows, "subject to changes in the future"
MAX_CONCURRENT_REQUESTS = 5

#: the values of texts that are choices
CHOICES = {
    "document_shape": ("cells", "data"),
    "column_definitions": ("absent", "list", "map"),
}


@dataclass
class Assumptions:
    """The switchable readings of the document."""

    #: "cells" as clients of 2021 to 2025 read it, "data" as the document shows it (vendors.md 4.5, contradiction 5)
    document_shape: str = "cells"
    #: how `data` documents name their columns; the document, "partial", shows nothing of it
    column_definitions: str = "absent"
    #: number columns give "25" back as 25
    canonical_numbers: bool = False
    #: `"error": {...}` as in the overview instead of a text (vendors.md 4.5, contradiction 3)
    errors_as_objects: bool = False
    #: every error text names the app key and the user, as those of login do
    errors_echo_credentials: bool = False
    #: `expires_in` of the vendor's example
    token_life_seconds: int = 86_400
    new_login_ends_older_tokens: bool = False
    max_concurrent_requests: int = MAX_CONCURRENT_REQUESTS
    #: answer 301 to what did not come over https, that is without `X-Forwarded-Proto: https`
    redirect_http: bool = False
    statuses: dict[str, int] = field(default_factory=lambda: dict(DEFAULT_STATUSES))

    def __setattr__(self, name: str, value: Any) -> None:
        if name in CHOICES and value not in CHOICES[name]:
            raise ValueError(f"{name} is one of {', '.join(CHOICES[name])}")
        super().__setattr__(name, value)

    def status_of(self, problem: str) -> int:
        """Give the HTTP status that answers this problem."""
        return self.statuses[problem]
