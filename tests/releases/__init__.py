"""What each release wrote, and its code: `python -m tests.releases record` keeps this one's before it is published."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from packaging.version import Version

FOLDER: Final = Path(__file__).parent
#: The folders of recorded releases, oldest first.
RELEASES: Final = tuple(
    sorted((path for path in FOLDER.iterdir() if path.name[0].isdigit()), key=lambda path: Version(path.name))
)
