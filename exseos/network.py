"""What may be fetched, and from which addresses.

Wheels and Debian packages come by name and SHA-256 from the index and the mirrors that the user of this machine has set up, with
whatever credentials they need. Other addresses (``url:``) are named by the experiment. In a replay that is somebody else's choice:
nothing is fetched from there unless asked for, never from inside this machine's own networks, and never with its credentials.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """What a build or a replay may fetch. The default is a build's, which trusts its own spec."""

    offline: bool = False
    """Nothing at all is fetched: only what is in the cache is used."""
    fetch: bool = True
    """Whether addresses that the experiment names are fetched."""
    private: bool = True
    """Whether those may lead into this machine's own networks, and see its credentials."""


EVERYTHING = Network()
"""What a build may fetch."""
CAPSULE = Network(fetch=False, private=False)
"""What a replay may fetch unless asked for more."""

_EMBEDDED = ipaddress.ip_network("64:ff9b::/96")
"""Addresses that a gateway translates to the IPv4 address in their last 32 bits (RFC 6052)."""
_UNICAST = ipaddress.ip_network("2000::/3")
"""All that is given out of IPv6 (RFC 4291)."""
_SPECIAL = tuple(
    ipaddress.ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
"""For protocols and documents, Teredo and 6to4 (RFC 6890 and its registries): not all known to each Python that we run on."""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to one host of the public internet."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return False
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip in _EMBEDDED:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        if ip not in _UNICAST:
            return False
    if any(ip in network for network in _SPECIAL):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback or ip.is_link_local)
