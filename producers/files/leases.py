"""Whether another process still writes a file, as the kernel knows it: a read lease (fcntl(2), F_SETLEASE)."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Writers(Enum):
    """What the kernel says about who has a file open for writing on this machine."""

    NONE = "none"
    SOME = "some"
    #: The file is not ours, or the file system has no leases: only time tells.
    UNKNOWN = "unknown"


def ignore_lease_breaks() -> None:
    """Keep a writer that comes while a lease is held from killing this process (SIGIO); call it at the start."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)


def writers_of(path: Path) -> Writers:
    """Ask whether a process of this machine has the file open for writing; the lease is given back at once.

    A read lease is refused while there is a writer. Writers on other machines (NFS, SMB) are not seen, there the file
    system refuses every lease. OSError when the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        # a writer that opens the file waits until the lease is gone
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return Writers.SOME if error.errno in (errno.EAGAIN, errno.EACCES) and _is_ours(descriptor) else Writers.UNKNOWN
    finally:
        os.close(descriptor)
    return Writers.NONE


def _is_ours(descriptor: int) -> bool:
    """Tell whether a refusal is about writers: to whom the file does not belong, everything is refused."""
    return os.geteuid() in (0, os.fstat(descriptor).st_uid)
