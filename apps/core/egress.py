"""Where connections may go whose address somebody typed in: to no network of our own.

What a name stands for is asked when the address is stored, and once more by whoever connects; in
between it may have come to mean another machine. So the connection itself is judged too, whatever
library opens it: Python tells an audit hook of every ``connect`` with the address it goes to.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from functools import cache
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class ForbiddenError(OSError):
    """A connection to a network of our own was stopped."""


def is_public(text: str) -> bool:
    """Tell whether an IP address is one of the Internet's, also when wrapped in another."""
    try:
        address = _unwrapped(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return False
    odd = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not odd


def _unwrapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address


def addresses_of(host: str) -> set[str]:
    """Return what a name, or a number however it is written, stands for. Raises ``OSError``."""
    return {str(found[4][0]) for found in socket.getaddrinfo(host, None)}


_stopped: ContextVar[list[str] | None] = ContextVar("stopped", default=None)


@contextlib.contextmanager
def public_only() -> Iterator[list[str]]:
    """Stop every connection of this thread that goes elsewhere; give the list of those."""
    _listen()
    stopped: list[str] = []
    token = _stopped.set(stopped)
    try:
        yield stopped
    finally:
        _stopped.reset(token)


@cache
def _listen() -> None:
    sys.addaudithook(_judge)  # stays for the life of the process; idle outside of public_only


def _judge(event: str, args: tuple[Any, ...]) -> None:
    if event != "socket.connect" or (stopped := _stopped.get()) is None:
        return
    target = args[1]
    # A name instead of a number would be looked up behind our back.
    host = str(target[0]) if isinstance(target, tuple) else ""
    if not is_public(host):
        stopped.append(host or str(target))
        raise ForbiddenError(f"{host or target} is inside a private network")
