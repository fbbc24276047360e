"""How workers find the manager that they are started for, and which of the machine's addresses that is."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from contextlib import suppress

from attrs import frozen

from nbrewind.batch.model import Site
from nbrewind.errors import SiteUnusable

_SIOCGIFADDR = 0x8915


@frozen
class Contact:
    """One manager, as its workers know it.

    Parameters
    ----------
    host, port
        What they connect to.
    tls
        Whether what is said is encrypted.
    password
        The file with the password that both know; empty: none.
    """

    host: str
    port: int
    tls: bool = False
    password: str = ""


def address(site: Site) -> str:
    """Return the address of this machine that a site's compute nodes connect to.

    Raises
    ------
    SiteUnusable
        The network card that the site names is not there.
    """
    if site.network.address:
        return site.network.address
    if site.network.interface:
        return _of_interface(site.network.interface)
    if site.scheduler.type == "local":
        return "localhost"
    return _of_host_name()


def _of_interface(name: str) -> str:
    try:
        return _ask(name)
    except OSError as error:
        cards = ", ".join(card for _, card in socket.if_nameindex())
        raise SiteUnusable(
            f"network.interface: {name} has no address here ({error.strerror}); this machine has {cards}"
        ) from error


def _ask(name: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("256s", name.encode()[:15])
        return socket.inet_ntoa(fcntl.ioctl(any_socket, _SIOCGIFADDR, request)[20:24])


def _of_host_name() -> str:
    """The address of the host's name; where that is this machine alone, of its first other network card."""
    found = []
    with suppress(OSError):  # a machine that does not know its own name still has network cards
        found.append(socket.gethostbyname(socket.gethostname()))
    for _, card in socket.if_nameindex():
        try:
            found.append(_ask(card))
        except OSError:
            continue
    reachable = [each for each in found if not ipaddress.ip_address(each).is_loopback]
    return (reachable or ["127.0.0.1"])[0]
