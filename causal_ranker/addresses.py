"""Which addresses mean this machine and no other."""

from __future__ import annotations

import ipaddress

__all__ = ["is_here"]


def is_here(host: str) -> bool:
    """Say whether an address is reached from this machine alone.

    Parameters
    ----------
    host : str
        A name, or an address without brackets.

    Returns
    -------
    bool
        True for ``localhost`` and addresses of the loopback.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
