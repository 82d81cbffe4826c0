"""A release's own code: packed when it is recorded, unpacked and run for real beside the code of today."""

from __future__ import annotations

import os
import sys
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.backing import ROOT
from tests.process import Process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PACKAGES: Final = ("tasks", "workers", "producers")
#: The oldest moment that a zip file can hold: the same code gives the same bytes.
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
_NAME: Final = "code.zip"


def pack(folder: Path) -> None:
    """Keep the code of today in the folder of a release."""
    with zipfile.ZipFile(folder / _NAME, "w") as packed:
        for package in _PACKAGES:
            for path in sorted((ROOT / package).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    entry = zipfile.ZipInfo(path.relative_to(ROOT).as_posix(), _MOMENT)
                    entry.external_attr = 0o644 << 16
                    packed.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)


@dataclass(frozen=True, slots=True)
class Code:
    """Code that processes run: that of today, or in a folder that of a release. `version` is what they say of it."""

    version: str
    folder: Path = ROOT

    @classmethod
    def unpacked(cls, release: Path, into: Path) -> Code:
        """Unpack a release. Its processes call it `<version>+kept`, so that it is seen whose code runs."""
        version = f"{release.name}+kept"
        with zipfile.ZipFile(release / _NAME) as packed:
            packed.extractall(into)
        told = into / f"stockrelay-{version}.dist-info"
        told.mkdir()
        (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: stockrelay\nVersion: {version}\n")
        return cls(version, into)

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Give the environment of a process that runs this code."""
        return {**os.environ, **more, "PYTHONPATH": str(self.folder), "PYTHONUNBUFFERED": "1"}

    def process(self, name: str, *words: str, log: Path, ready: str, settings: Mapping[str, str]) -> Process:
        """Make a process of this code; it is ready when it has printed that text."""
        process = Process(
            name,
            [sys.executable, *words],
            log=log,
            ready=lambda: process.printed(ready),
            environment=self.environment(settings),
            folder=self.folder,
        )
        return process

    def worker(self, vendor: str, folder: Path, settings: Mapping[str, str], name: str = "") -> Process:
        """Make a worker of a vendor that runs this code."""
        named = f"{vendor}-{self.version}{name}"
        options: Any = ("--without-mingle", "--without-gossip", "-c", "16", "--loglevel", "INFO", "-n", f"{named}@%h")
        words = ("-m", "celery", "-q", "-A", "workers.main", "worker", "-Q", f"vendor.{vendor}", *options)
        return self.process(named, *words, log=folder / f"{named}.log", ready=" ready.", settings=settings)
