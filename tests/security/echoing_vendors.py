"""All four vendors, as a proxy or a debugging page may make them: each answers with every secret that it was sent."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from tests.sandbox.partsbox.ids import id_for

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What becomes of the secrets, by the part that is written: in a refusal, a 401, a proxy's page, a cut body, a comment
#: that is read later, a status line that is none, or an answer in another form than documented.
ECHOES: Final = ("refused", "blocked", "proxy", "cut", "entry", "order", "envelope", "status line")
#: What OpenBOM's login gives; no setting has it.
ACCESS_TOKEN: Final = "canaryAccess0011"
CATEGORY, MESSAGE = "partsbox.status/category", "partsbox.status/message"
_SECRET_HEADERS: Final = ("Authorization", "Authentication", "X-OpenBOM-AppKey", "X-OpenBOM-AccessToken")


class EchoingServer(ThreadingHTTPServer):
    """The vendors by the first step of the path. `comments` is what was written, by the echo it was written under."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), EchoingVendor)
        self.comments: dict[str, str] = {}
        self.login = ""
        #: The paths that were asked for, without what is behind a question mark.
        self.asked: list[str] = []

    def url(self, path: str) -> str:
        """Give the address of a vendor."""
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class EchoingVendor(BaseHTTPRequestHandler):
    """Answers every request with the secrets it got, in as many ways as there are ECHOES."""

    server: EchoingServer

    def do_GET(self) -> None:
        """Answer OpenBOM's and PartBolt's reads."""
        vendor = self._vendor()
        secrets = self._secrets()
        if vendor == "partbolt" and "cut" in self.path:
            self._say(200, None, json.dumps({"status": "ok", "data": {"id": secrets}})[:-4])
        elif vendor == "partbolt":
            error = {"code": "invalid_params", "message": f"who is {secrets}", "hint": secrets, secrets: secrets}
            self._say(400, {"status": "error", "error": error})
        elif vendor == "openbom":
            # a document's cells are compared as they are: user name and password are left in them (docs/security.md)
            sent = " ".join(self.headers[name] for name in _SECRET_HEADERS if name in self.headers)
            row = {"a": {"Part Number": "a", "Quantity": sent, sent: 1}}
            self._say(200, {"data": row, "name": f"of {sent}", "createdBy": self.server.login})

    def do_POST(self) -> None:
        """Answer everything else."""
        vendor = self._vendor()
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if vendor == "partsbox":
            self._partsbox(asked)
        elif vendor == "partium":
            self._partium(asked)
        elif vendor == "openbom":
            self._openbom(asked)

    def do_DELETE(self) -> None:
        """Answer a request that takes something away."""
        self.do_POST()

    def _vendor(self) -> str:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        return path.split("/")[1]

    def _secrets(self) -> str:
        """Join what the headers hold, as it is and as an address would hold it."""
        found = " ".join(self.headers[name] for name in _SECRET_HEADERS if name in self.headers)
        login = self.server.login if self.path.startswith("/openbom/") else ""
        return f"{found} {login} {quote(found, safe='')}"

    def _partium(self, asked: Any) -> None:
        secrets, text = self._secrets(), json.dumps(asked)
        if self.path.endswith("/select"):
            self._say(200, [])
        elif "proxy" in text:
            self._say(502, None, f"<pre>Authorization: {secrets}</pre>")
        elif "blocked" in text:
            self._say(403, {"detail": f"no such key: {secrets}"})
        else:
            self._say(
                200, {"created": [], "updated": [], "errors": {one["part_id"]: f"no key {secrets}" for one in asked}}
            )

    def _openbom(self, asked: dict[str, Any]) -> None:
        if self.path.endswith("/login"):
            self.server.login = f"{asked['username']} {asked['password']}"
            self._say(200, {"access_token": ACCESS_TOKEN, "expires_in": 86_400, "refresh_token": ACCESS_TOKEN})
        else:
            secrets = self._secrets()
            self._say(400, {"error": f"Missing or invalid [{secrets}]", "asked": [secrets, {secrets: asked}]})

    def _partsbox(self, asked: dict[str, Any]) -> None:
        text, header = json.dumps(asked), self.headers["Authorization"]
        echo = next((name for name in ECHOES if id_for("part", name) in text), "order")
        if "/order/" in self.path:
            data = [] if self.path.endswith("-entries") else {"order/status": f"closed {header}"}
            self._say(200, {CATEGORY: "ok", "data": data})
        elif self.path.endswith("/part/get"):
            self._say(200, self._part(asked, echo, header))
        elif self.path.endswith("/part/all"):
            ids = {id_for("part", name): name for name in ECHOES}
            listed = [self._part({"part/id": part_id}, name, header)["data"] for part_id, name in ids.items()]
            self._say(200, {CATEGORY: "ok", "data": [{**part, "part/name": f"of {header}"} for part in listed]})
        else:
            self._refuse(echo, header, asked)

    def _part(self, asked: dict[str, Any], echo: str, header: str) -> dict[str, Any]:
        entry = {"stock/quantity": 1, "stock/timestamp": 1_700_000_000_000, "stock/storage-id": id_for("storage", "a")}
        entry |= {"stock/comments": f"{self.server.comments.get(echo, '')} by {header}", "stock/user": header}
        written = echo in self.server.comments
        return {CATEGORY: "ok", "data": {"part/id": asked["part/id"], "part/stock": [entry] if written else []}}

    def _refuse(self, echo: str, header: str, asked: dict[str, Any]) -> None:
        words = f"no such key: {header}"
        match echo:
            case "entry":
                self.server.comments[echo] = asked["stock/comments"]
                self._say(200, {CATEGORY: "ok", MESSAGE: words})
            case "refused":
                self._say(200, {CATEGORY: "conflict", MESSAGE: words, header: header})
            case "blocked":
                self._say(401, {CATEGORY: "error", MESSAGE: words})
            case "proxy":
                self._say(502, None, f"<pre>Authorization: {header}</pre>")
            case "status line":
                self.wfile.write(f"HTTP/1.1 {header} 200\r\n\r\n".encode())
                self.close_connection = True
            case "cut":
                self._say(200, None, json.dumps({MESSAGE: words})[:-4])
            case _:
                self._say(400, {CATEGORY: f"error/{header}", MESSAGE: words})

    def _say(self, status: int, body: Any, text: str = "") -> None:
        raw = (text if body is None else json.dumps(body)).encode()
        secret = self.headers.get("Authorization", "") or self._secrets()
        self.send_response(status, f"as {secret}")
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("Retry-After", secret)
        self.send_header("Location", f"https://elsewhere.test/?{secret}")
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Say nothing: it is not this server's log that is searched."""


@contextlib.contextmanager
def echoing_vendors() -> Iterator[EchoingServer]:
    """Serve all four in a thread."""
    server = EchoingServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
