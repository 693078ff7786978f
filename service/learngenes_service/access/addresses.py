"""Whom an address stands for."""

from __future__ import annotations

import ipaddress


def network(address: str) -> str:
    """Whom to count for an address: itself, of IPv6 the 64 bits that one subscriber has for himself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
