"""What the ids in a dead letter stand for, so that a person reads names."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.directory import Directory, Thing

#: PartsBox ids: 128 bits in Crockford's base 32. Other vendors' ids are names already.
_ID: Final = re.compile(r"(?<![0-9a-z])[0-9a-hjkmnp-tv-z]{26}(?![0-9a-z])")
#: A command of so many lines is not read id by id.
MAX_NAMED: Final = 128
#: Looks at the directory at once for one question; the rest of the connections are for others.
_LOOKS_AT_ONCE: Final = 8


async def names_of(directory: Directory, shown: Any) -> dict[str, str]:
    """Give the names of the ids that stand in a JSON value, as far as the directory has them."""
    ids = list(dict.fromkeys(vendor_id for text in _texts(shown) for vendor_id in _ID.findall(text)))[:MAX_NAMED]
    places = asyncio.Semaphore(_LOOKS_AT_ONCE)

    async def look(vendor_id: str) -> Thing | None:
        async with places:
            return await directory.resolve(vendor_id)

    things = await asyncio.gather(*map(look, ids))
    return {thing.id: thing.name for thing in things if thing is not None}


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from _texts(each)
        case list():
            for each in value:
                yield from _texts(each)
