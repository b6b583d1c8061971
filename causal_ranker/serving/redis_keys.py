"""How features lie in Redis: which keys, which fields, which bytes.

Each version of a bundle has four keys, whose names hold the version and the layout of the features:

========= ====================================================================================
``users`` hash of user to the features of the user
``items`` hash of item to the row of the item, and its features
``pairs`` hash of user to the rows of items, rising, and then the features with each of them
``whole`` says that the other three are complete: it is written last, and expires first
========= ====================================================================================

Numbers are 64 bits, little-endian: whole numbers for rows, IEEE 754 for features. Nothing is
pickled. A version never changes: pushed again it is the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import numpy as np

from causal_ranker._extras import require
from causal_ranker.errors import ConfigError

__all__ = ["FLOAT", "ROW", "VERSIONS", "WHOLE", "VersionKeys", "connect", "field"]

ROW: Final = np.dtype("<i8")
FLOAT: Final = np.dtype("<f8")
#: The set of all versions that were ever pushed and have not been seen to be gone.
VERSIONS: Final = "causal-ranker:versions"
#: What the key that says so holds; another number is another way to write the other three.
WHOLE: Final = b"features 1"


@dataclass(frozen=True, slots=True)
class VersionKeys:
    """Names of the keys of one version.

    Parameters
    ----------
    version : str
        The bundle's version.
    digest : str
        Of the layout of its features.
    """

    version: str
    digest: str

    @property
    def member(self) -> str:
        """How the version is called in the set of all."""
        return f"{self.version}:{self.digest}"

    @classmethod
    def of_member(cls, member: bytes) -> VersionKeys:
        """Read the name that a version has in the set of all.

        Parameters
        ----------
        member : bytes
            What :attr:`member` gave.

        Returns
        -------
        VersionKeys
            The keys.
        """
        version, _, digest = member.decode("ascii", "replace").partition(":")
        return cls(version, digest)

    @property
    def users(self) -> str:
        """Key of the users."""
        return self._key("users")

    @property
    def items(self) -> str:
        """Key of the items."""
        return self._key("items")

    @property
    def pairs(self) -> str:
        """Key of users and items together."""
        return self._key("pairs")

    @property
    def whole(self) -> str:
        """Key that says whether the others are complete."""
        return self._key("whole")

    def _key(self, part: str) -> str:
        return f"causal-ranker:{self.member}:{part}"


def field(key: object) -> bytes | None:
    """Write an id as the field of a hash.

    Parameters
    ----------
    key : int or str
        The id.

    Returns
    -------
    bytes or None
        Different for different ids, 1 and "1" among them; ``None`` for what is no id.
    """
    if isinstance(key, str):
        return b"s" + key.encode("utf-8", "surrogatepass")
    if isinstance(key, int | np.integer):
        return b"i%d" % int(key)
    return None


def connect(url: str, *, timeout_s: float) -> Any:
    """Open a client; nothing is sent before it is used.

    Parameters
    ----------
    url : str
        ``redis://`` or ``rediss://`` (TLS), with user and password where the server asks for them,
        or ``unix://``.
    timeout_s : float
        Longest wait for a connection, and for each answer, in seconds.

    Returns
    -------
    redis.Redis
        The client.

    Raises
    ------
    ConfigError
        If the URL is none.
    MissingExtraError
        If the package redis is not installed.
    """
    redis = require("redis", extra="redis")
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    try:
        asked = parse_qs(urlsplit(url).query, keep_blank_values=True)
        if not all(name.startswith("ssl_") for name in asked):
            raise ValueError("settings in the URL would go before ours")
        return redis.Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            # Nobody is asked twice. A connection that the server has closed meanwhile is found to
            # be, and opened again, before it is used.
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            driver_info=None,
        )
    except ValueError:
        # The URL may hold a password, and the message a part of it.
        raise ConfigError(
            expected="the URL of a Redis server, without settings other than of TLS (ssl_...)",
            came="another text",
            do="Write redis://host:6379/0, rediss://user:password@host, or unix:///path.",
        ) from None
