"""What goes over the switch, frame by frame, for a test to look at."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from tests.network.machines import Network

_ALL_PROTOCOLS: Final = 0x0003
_FRAME_BYTES: Final = 70_000
#: Of a thread that looks whether it shall end.
_LOOK_SECONDS: Final = 0.2


class Wire:
    """Listens at every port of the switch: `with Wire(network) as wire`."""

    def __init__(self, network: Network) -> None:
        self._frames: list[bytes] = []
        self._ending = threading.Event()
        with network.switch.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(_ALL_PROTOCOLS))
        self._socket.settimeout(_LOOK_SECONDS)
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self._socket.close()

    def carried(self, text: str) -> bool:
        """Tell whether any frame so far holds the text as it is."""
        return any(text.encode() in frame for frame in list(self._frames))

    def bytes_to(self, hardware_address: str) -> int:
        """Count the bytes of the largest frame so far to this Ethernet address."""
        wanted = bytes.fromhex(hardware_address.replace(":", ""))
        return max((len(frame) for frame in list(self._frames) if frame.startswith(wanted)), default=0)

    def _listen(self) -> None:
        while not self._ending.is_set():
            with contextlib.suppress(TimeoutError):
                self._frames.append(self._socket.recv(_FRAME_BYTES))
