"""App keys, their owners, and the access tokens that logins give."""

import random
from dataclasses import dataclass, field

from tests.sandbox.clock import Clock
from tests.sandbox.openbom.assumptions import Assumptions
from tests.sandbox.openbom.wire import Record, text_of, wrong_app_key
from tests.sandbox.wire import RefusedError

#: an invented app key, and the invented account that it was issued to
APP_KEY = "sandboxappkey0000"
EMAIL = "store.room@example.com"
PASSWORD = "invented-password"


@dataclass(frozen=True)
class Token:
    """Who an access token speaks for, and until when."""

    app_key: str
    email: str
    expires_ms: int


@dataclass
class Accounts:
    """Who may come in; the clock decides when a token ends."""

    clock: Clock
    assumptions: Assumptions
    seed: int | None = None
    #: app key -> e-mail of the account that it was issued to
    owners: dict[str, str] = field(default_factory=lambda: {APP_KEY: EMAIL})
    #: e-mail -> password
    passwords: dict[str, str] = field(default_factory=lambda: {EMAIL: PASSWORD})
    #: logins that succeeded
    logins: int = 0
    tokens: dict[str, Token] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def add(self, app_key: str, email: str, password: str) -> None:
        """Add an account with an app key."""
        self.owners[app_key] = email
        self.passwords[email] = password

    def revoke_app_key(self, app_key: str) -> None:
        """Make the vendor refuse this app key, and name it when it does; raises KeyError for an unknown one."""
        del self.owners[app_key]

    def expire_tokens(self) -> int:
        """End every access token now, and tell how many there were."""
        ended = len(self.tokens)
        self.tokens.clear()
        return ended

    def live_tokens(self) -> int:
        """Count the access tokens that still work."""
        return sum(token.expires_ms > self.clock.now_ms() for token in self.tokens.values())

    def check_app_key(self, app_key: str | None) -> str:
        """Let a known app key pass; raises RefusedError."""
        if app_key is None or app_key not in self.owners:
            raise RefusedError("app-key", wrong_app_key("null" if app_key is None else app_key))
        return app_key

    def check_token(self, app_key: str, token: str | None) -> str:
        """Give the e-mail that a token speaks for; raises RefusedError."""
        known = self.tokens.get(token or "")
        if known is None or known.app_key != app_key or self.clock.now_ms() >= known.expires_ms:
            raise RefusedError("token", "Missing or invalid access token.")
        return known.email

    def login(self, app_key: str, params: Record) -> Record:
        """Give a new token for the account that the app key was issued to; raises RefusedError."""
        username, password = (text_of(params, name) for name in ("username", "password"))
        if self.owners[app_key] != username or self.passwords[username] != password:
            raise RefusedError("login-failed", f"Unable to authenticate user[{username}]")
        if self.assumptions.new_login_ends_older_tokens:
            self.tokens = {token: known for token, known in self.tokens.items() if known.email != username}
        self.logins += 1
        token, life_seconds = self._draw(), self.assumptions.token_life_seconds
        self.tokens[token] = Token(app_key, username, self.clock.now_ms() + life_seconds * 1000)
        return {
            "access_token": token,
            "refresh_token": self._draw(),
            "token_type": "Bearer",
            "expires_in": life_seconds,
        }

    def _draw(self) -> str:
        return f"eyJ{self._random.getrandbits(256):064x}"
