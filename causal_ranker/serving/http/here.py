"""Whether a request names this machine as its host."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from causal_ranker.addresses import is_here

if TYPE_CHECKING:
    from starlette.types import Scope

__all__ = ["asks_here"]

_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]]+))(?::[0-9]*)?")


def asks_here(scope: Scope) -> bool:
    """Say whether a request names this machine as its host.

    A web page elsewhere may let its own name point to 127.0.0.1 (DNS rebinding); a browser then
    lets it read what is served there, but still sends that name.

    Parameters
    ----------
    scope : ASGI
        The request.

    Returns
    -------
    bool
        Whether there is one ``Host``, and it is such a name, with any port.
    """
    given = [value for name, value in scope["headers"] if name == b"host"]
    return len(given) == 1 and _names_here(given[0])


@lru_cache(maxsize=64)  # clients send the same few names again and again
def _names_here(host: bytes) -> bool:
    found = _HOST.fullmatch(host.decode("latin-1").strip().lower())
    return found is not None and is_here(found[1] or found[2])
