"""The sources at work: each with its secrets, verifier and rules, read at the start and again on SIGHUP."""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

from producers.webhooks.mapping import Mapper
from producers.webhooks.signatures import MIN_SECRET_BYTES, Verifier
from producers.webhooks.sources import MAX_BODY_KIB, Source, SourcesError, read_sources
from producers.webhooks.unpacking import Unpacking

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from producers.webhooks.mapping import Delivered, Mapped
    from producers.webhooks.signatures import Headers
    from producers.webhooks.sources import SecretPlace
    from producers.webhooks.unpacking import Unpacked

_UNKNOWN: Final = "no such source"


class Hook:
    """One source at work."""

    def __init__(self, name: str, source: Source, known: Sequence[str]) -> None:
        self.name = name
        self.source = source
        self.max_body_bytes = source.max_body_kib * 1024
        self.verifier = Verifier(source, known)
        self._unpacking = Unpacking(name, source)
        self._mapper = Mapper(name, source)

    def unpack(self, headers: Mapping[str, str], body: bytes) -> Sequence[Unpacked]:
        """Give the events of a genuine delivery; raises UnpackError."""
        return self._unpacking.unpack(headers, body)

    def map(self, delivered: Delivered, now_ms: int) -> Mapped:
        """Make the commands of an event; raises MappingError."""
        return self._mapper.map(delivered, now_ms)


class Hooks:
    """All sources. Whatever is wrong with a delivery, refusing it costs the same work: nobody learns what there is."""

    def __init__(self, hooks: Mapping[str, Hook]) -> None:
        self._hooks = dict(hooks)
        #: The key of a source that is not there.
        self._nobody = secrets.token_bytes(MIN_SECRET_BYTES)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._hooks)

    @property
    def max_body_bytes(self) -> int:
        """The largest body that any source may send."""
        return max([MAX_BODY_KIB * 1024, *(hook.max_body_bytes for hook in self._hooks.values())])

    def find(self, name: str) -> Hook | None:
        """Look a source up."""
        return self._hooks.get(name)

    def replace(self, others: Hooks) -> None:
        """Work with these from now on."""
        self._hooks = dict(others._hooks)

    def verify(self, name: str, headers: Headers, body: bytes, now_seconds: float) -> tuple[Hook | None, str]:
        """Give the source that a delivery is proved to come from, or None and the reason, which is for the log."""
        hook = self._hooks.get(name)
        reason = hook.verifier.verify(headers, body, now_seconds) if hook else _UNKNOWN
        if not reason:
            return hook, ""
        spent = hook.verifier.digests_of(reason) if hook else 0
        most = max((other.verifier.secrets for other in self._hooks.values()), default=1)
        for _ in range(most - spent):
            hmac.digest(self._nobody, body, "sha256")
        return None, reason

    def verify_token(self, headers: Headers, body: bytes, now_seconds: float) -> tuple[Hook | None, str]:
        """Do the same for CloudEvents without a source in the path: the bearer token names it."""
        found = None
        for hook in self._hooks.values():
            takes = hook.source.scheme == "bearer" and hook.source.format == "cloudevents"
            if takes and not hook.verifier.verify(headers, body, now_seconds):
                found = hook
        return (found, "") if found else (None, "no known bearer token of a source of CloudEvents")

    def origins_of(self, name: str) -> Collection[str]:
        """List the origins whose senders of CloudEvents are welcome at a source."""
        hook = self._hooks.get(name)
        return hook.source.origins if hook and hook.source.format == "cloudevents" else ()


def open_hooks(path: Path | None, environ: Mapping[str, str]) -> Hooks:
    """Read sources and secrets; raises SourcesError, which names the place and quotes no secret."""
    return Hooks(
        {
            name: Hook(name, source, _secrets_of(f"{path}: sources.{name}", source, environ))
            for name, source in read_sources(path).items()
        }
    )


def open_hook(path: Path | None, name: str, environ: Mapping[str, str] | None) -> Hook:
    """Read one source, for trying its rules; without an environment it has no secrets. Raises SourcesError."""
    sources = read_sources(path)
    if name not in sources:
        raise SourcesError(f"there is no source {name}; known are {', '.join(sources) or 'none'}")
    known = [] if environ is None else _secrets_of(f"{path}: sources.{name}", sources[name], environ)
    return Hook(name, sources[name], known)


def _secrets_of(place: str, source: Source, environ: Mapping[str, str]) -> list[str]:
    known = []
    for number, kept in enumerate(source.secrets, start=1):
        where = f"{place}.secrets.{number} ({kept})"
        secret = _read(kept, environ, where)
        try:
            Verifier(source, [secret])
        except ValueError as error:
            raise SourcesError(f"{where}: {error}") from None
        known.append(secret)
    return known


def _read(place: SecretPlace, environ: Mapping[str, str], where: str) -> str:
    if place.env:
        secret = environ.get(place.env, "").strip()
        if not secret:
            raise SourcesError(f"{where}: the variable is not set")
        return secret
    try:
        return Path(place.file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SourcesError(f"{where}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # from None: the error holds the file's bytes, which are the secret
        raise SourcesError(f"{where}: is not UTF-8 text") from None
