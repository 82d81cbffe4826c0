"""Machines with addresses of their own: network namespaces on a switch that leads nowhere else.

The switch is a namespace too, so that no packet can leave and equal addresses of two runs never meet.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tests.backing import ROOT
from tests.network import sweeper
from tests.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

#: By machine; redis-a and vendor are the names in their certificates.
ADDRESSES: Final[Mapping[str, str]] = {
    "redis-a": "10.213.0.11",
    "redis-b": "10.213.0.12",
    "redis-c": "10.213.0.13",
    "vendor": "10.213.0.20",
    "producer": "10.213.0.30",
    "worker-a": "10.213.0.41",
    "worker-b": "10.213.0.42",
    "proxy": "10.213.0.50",
}
_SWITCH: Final = "switch"
_PREFIX: Final = f"stockrelay-{os.getpid()}-"
#: An Ethernet address that no machine has: what is sent there is dropped without a word.
NOBODY: Final = "02:00:00:00:00:01"
#: SYN_SENT of /proc/net/tcp.
_CONNECTING: Final = "02"
#: What TLS says at the end of an idle connection is no request.
_FAREWELL_BYTES: Final = 64
_CLONE_NEWNET: Final = 0x40000000
NAMESPACES: Final = Path("/run/netns")


class NoNamespacesError(Exception):
    """This machine makes no network namespaces; the message says why."""


@dataclass(frozen=True)
class Host:
    """A machine: a network namespace with one address."""

    name: str
    namespace: str
    address: str

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Let this thread's new sockets be those of the machine until the block ends; others' stay where they are."""
        with Path("/proc/thread-self/ns/net").open() as before, (NAMESPACES / self.namespace).open() as own:
            _enter(own.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def unheard(self, other: Host) -> int:
        """Count the connections to another machine with a request on its way that it has not confirmed."""
        pattern = f"{socket.inet_aton(other.address)[::-1].hex().upper()}:"
        with self.entered():
            lines = Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
        told = [line.split()[2:5] for line in lines]
        return sum(
            remote.startswith(pattern) and state != _CONNECTING and int(queues[:8], 16) > _FAREWELL_BYTES
            for remote, state, queues in told
        )

    def process(
        self,
        name: str,
        words: Sequence[str],
        folder: Path,
        *,
        ready: Callable[[Process], bool],
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """Describe a process of this machine, not yet started."""
        command = ["ip", "netns", "exec", self.namespace, *words]
        log = folder / f"{self.name}-{name}.log"
        process = Process(
            f"{name} on {self.name}",
            command,
            log=log,
            ready=lambda: ready(process),
            environment=environment,
            folder=ROOT,
        )
        return process


class Network:
    """The machines, each plugged into the switch: `with Network() as network`; afterwards nothing of it is left."""

    def __init__(self, names: Sequence[str] = tuple(ADDRESSES)) -> None:
        run = f"{_PREFIX}{uuid.uuid4().hex[:6]}"
        self.switch = Host(_SWITCH, f"{run}-{_SWITCH}", "")
        self.hosts = {name: Host(name, f"{run}-{name}", ADDRESSES[name]) for name in names}
        self._cleanup = contextlib.ExitStack()

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def __enter__(self) -> Self:
        check_namespaces()
        try:
            self._add(self.switch, "link add bridge type bridge", "link set bridge up")
            for host in self.hosts.values():
                self._plug_in(host)
        except BaseException:  # an interrupt in the middle must leave nothing behind either
            self._cleanup.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def cut(self, one: str, other: str) -> None:
        """Drop every packet between two machines, in silence, until they are joined again."""
        self.silence(one, other)
        self.silence(other, one)

    def silence(self, speaker: str, hearer: str) -> None:
        """Drop every packet from one machine to another; it still hears."""
        _ip(self.hosts[speaker], f"neigh replace {ADDRESSES[hearer]} lladdr {NOBODY} nud permanent dev eth0")

    def join(self, one: str, other: str) -> None:
        """Let packets between two machines through again."""
        for here, there in ((one, other), (other, one)):
            _ip(self.hosts[here], f"neigh flush to {ADDRESSES[there]} dev eth0 nud all")

    def unplug(self, name: str) -> None:
        """Pull a machine's cable."""
        _ip(self.switch, f"link set {name} down")

    def plug(self, name: str) -> None:
        """Put a machine's cable in again."""
        _ip(self.switch, f"link set {name} up")

    def _plug_in(self, host: Host) -> None:
        self._add(host, "link set lo up")
        pair = f"link add {host.name} type veth peer name eth0 netns {host.namespace}"
        _ip(self.switch, pair, f"link set {host.name} master bridge", f"link set {host.name} up")
        _ip(host, f"addr add {host.address}/24 dev eth0", "link set eth0 up")

    def _add(self, host: Host, *lines: str) -> None:
        sweeper.register(host.namespace)
        self._cleanup.callback(_remove, host.namespace)
        _run("netns", "add", host.namespace)
        _ip(host, *lines)


def check_namespaces() -> None:
    """Raise NoNamespacesError where they cannot be made."""
    if sys.platform != "linux":
        raise NoNamespacesError("network namespaces are Linux's")
    if shutil.which("ip") is None:
        raise NoNamespacesError("the command ip (iproute2) is not there")
    name = f"{_PREFIX}trial-{uuid.uuid4().hex[:6]}"
    sweeper.register(name)
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    _remove(name)
    if made.returncode != 0:
        raise NoNamespacesError(f"ip netns add: {made.stderr.strip()}")


def _remove(namespace: str) -> None:
    subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)
    sweeper.forget(namespace)


def _ip(host: Host, *lines: str) -> None:
    _run("-n", host.namespace, "-batch", "-", text="\n".join(lines))


def _run(*words: str, text: str = "") -> None:
    ended = subprocess.run(["ip", *words], input=text, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise OSError(f"ip {' '.join(words)} {text}: {ended.stderr.strip()}")


def _enter(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
