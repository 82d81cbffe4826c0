"""The vendor's envelope, which is around every answer."""

import json
from typing import Any

from tests.sandbox.partbolt.assumptions import CODES
from tests.sandbox.wire import RefusedError, Reply

Record = dict[str, Any]

#: from the server's own limits; in no list of the vendor
RATE_LIMITED = "rate-limited"


def accepted(data: Record) -> Reply:
    """Wrap a success."""
    return Reply(200, {"status": "ok", "data": data})


def refused(error: RefusedError) -> Reply:
    """Wrap a refusal, whose text is the hint; there is no hint when it is empty."""
    if error.problem == RATE_LIMITED:
        return Reply(429, error_body("rate_limited", str(error)))
    status, message = CODES[error.problem]
    return Reply(status, error_body(error.problem, message, str(error)))


def error_body(code: str, message: str, hint: str = "") -> Record:
    """Write an error."""
    error = {"code": code, "message": message}
    if hint:
        error["hint"] = hint
    return {"status": "error", "error": error}


def made_up_error(status: int, message: str) -> Record:
    """Write an error for any status, in the vendor's words where it has some for it."""
    for code, (known, text) in CODES.items():
        if known == status:
            return error_body(code, text)
    return error_body("internal_server_error", message)


def encode(body: Any) -> bytes:
    """Write JSON."""
    return json.dumps(body, ensure_ascii=False).encode()
