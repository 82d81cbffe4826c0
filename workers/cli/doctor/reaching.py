"""Vendors as this machine reaches them: resolved, connected, with a verified certificate, and with our key."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError
from yarl import URL

from tasks.errors import VendorError
from workers.cli.doctor.findings import Finding, good, unchecked, warning, wrong
from workers.cli.doctor.settings import own_environment, read_vendor
from workers.limiter import Limiter
from workers.limits import PausedError
from workers.settings import SettingsError, keyless_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from redis.asyncio import Redis

    from workers.vendor_settings import VendorSettings

CONNECT_SECONDS: Final = 8.0
#: For a turn at the limiter: workers come first, but not for ever.
TURN_SECONDS: Final = 5.0
#: One cheap documented read each, of an id that nobody has where there is one to give.
_READS: Final[dict[str, Callable[[Any], Awaitable[Any]]]] = {
    "partsbox": lambda port: port.part("0" * 26),
    "partium": lambda port: port.part("stockrelay-doctor"),
    "openbom": lambda port: port.boms(),
    "partbolt": lambda port: port.part("AAAAAAAAAA"),
}


async def check_vendor(vendor: str, environ: Mapping[str, str], redis: Redis | None) -> Sequence[Finding]:
    """Go the way of a worker's request, step by step; nothing is written."""
    if not own_environment(environ, vendor):
        return []
    try:
        url = URL(keyless_settings(vendor, own_environment(environ, vendor)).url)
        chosen = read_vendor(vendor, environ)
    except SettingsError:
        return [unchecked(vendor, "its settings are wrong", "correct them first")]
    trouble = await _unreachable(vendor, url)
    if trouble is not None:
        return [trouble]
    reached = good(vendor, f"{url.host} answers{' and proves who it is' if url.scheme == 'https' else ''}")
    if chosen is None:
        return [reached, good(vendor, "no key is given here: this process serves others")]
    if redis is None:
        return [reached, unchecked(vendor, "not asked with our key: Redis, which holds its limits, is not there")]
    return [reached, await _asked(vendor, chosen, redis)]


async def _unreachable(vendor: str, url: URL) -> Finding | None:
    context = ssl.create_default_context() if url.scheme == "https" else None
    about = f"{url.host} port {url.port}"
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(url.host, url.port, ssl=context)
    except TimeoutError:
        return wrong(vendor, f"{about} does not answer", "let this machine out to it: firewall, proxy, route")
    except socket.gaierror:
        return wrong(vendor, f"{url.host} has no address", f"check STOCKRELAY_{vendor.upper()}_URL and the name server")
    except ssl.SSLError as error:
        why = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else "no TLS is spoken there"
        advice = "somebody may be in between; add the authority to the machine's store only if it is yours"
        return wrong(vendor, f"{about}: its certificate is not accepted ({why})", advice)
    except OSError as error:
        why = "refuses the connection" if isinstance(error, ConnectionRefusedError) else "cannot be reached"
        return wrong(vendor, f"{about} {why}", f"check STOCKRELAY_{vendor.upper()}_URL, and whether the vendor is up")
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(1):
            await writer.wait_closed()
    return None


async def _asked(vendor: str, chosen: VendorSettings, redis: Redis) -> Finding:
    # only here: they bring HTTP along, which no other command needs
    from workers.adapters import close_adapter, open_adapter  # noqa: PLC0415
    from workers.vendors.base import open_session  # noqa: PLC0415

    limiter = Limiter(redis, vendor, chosen.limit_policy(), max_wait_seconds=TURN_SECONDS)
    async with open_session() as session:
        port = open_adapter(chosen, session, limiter, redis)
        try:
            await _READS[vendor](port)
        except PausedError:
            return unchecked(vendor, "not asked with our key: paused, or no turn", f"`stockrelay limits {vendor}`")
        except VendorError as error:
            return _refused(vendor, error)
        except RedisError as error:
            advice = "run this as the user of a worker"
            return unchecked(vendor, f"not asked with our key: {type(error).__name__} of Redis", advice)
        finally:
            await close_adapter(port)
            await limiter.aclose()
    return good(vendor, "takes our key (one read)")


def _refused(vendor: str, error: VendorError) -> Finding:
    status = None if error.exchange is None else error.exchange.status
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            advice = (
                f"check the secrets STOCKRELAY_{vendor.upper()}_…; the key may be revoked, or lack the right to read"
            )
            return wrong(vendor, f"refuses our key (HTTP {status})", advice)
        case HTTPStatus.PAYMENT_REQUIRED:
            return wrong(vendor, f"our plan does not allow it (HTTP {status})", "look at the account at the vendor")
        case None:
            return warning(vendor, f"gave no usable answer ({type(error).__name__})", "try again; then ask the vendor")
        case _ if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            return wrong(vendor, f"sends us elsewhere (HTTP {status})", f"check STOCKRELAY_{vendor.upper()}_URL")
    return warning(vendor, f"answered HTTP {status}", "try again; if it stays, ask the vendor")
