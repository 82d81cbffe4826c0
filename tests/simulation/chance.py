"""Chance: streams of it that follow from a seed, also where our code and the libraries help themselves."""

from __future__ import annotations

import secrets
import uuid
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def stream(seed: int, what: str) -> Random:
    """Give the chance for one thing; what others draw does not change it."""
    return Random(f"{seed} {what}")


@contextmanager
def own_chance() -> Iterator[Callable[[Random], None]]:
    """Let ids that are drawn anywhere follow from a stream, until the block ends; gives what sets the stream."""
    random = Random(0)

    def follow(given: Random) -> None:
        nonlocal random
        random = given

    def draw_id(*_: object) -> uuid.UUID:
        return uuid.UUID(int=random.getrandbits(128), version=4)

    def draw_token(size: int = 32) -> str:
        return random.randbytes(size).hex()

    own = patch.object
    with own(uuid, "uuid4", draw_id), own(uuid, "uuid1", draw_id), own(secrets, "token_hex", draw_token):
        yield follow
