"""Write the features of a bundle to Redis, and let those of older versions go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker._extras import require
from causal_ranker.errors import ConfigError, UpstreamError
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.redis_keys import (
    FLOAT,
    ROW,
    VERSIONS,
    WHOLE,
    VersionKeys,
    connect,
    field,
)
from causal_ranker.serving.tables import FeatureTable, PairTable

__all__ = ["Pushed", "forget_features", "push_features", "push_instead"]

_TIMEOUT_S: Final = 30.0
_AT_ONCE: Final = 1000
# The key that vouches for the others goes first.
_GRACE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was written.

    Parameters
    ----------
    version : str
        The bundle's version.
    users, items, histories : int
        Users, items, and users with entries of pairs.
    expiring : tuple of str
        Other versions, which will be gone.
    """

    version: str
    users: int
    items: int
    histories: int
    expiring: tuple[str, ...]


def push_features(
    url: str, *, bundle: Bundle, keep_hours: float = 168.0, instead_of: str | None = None
) -> Pushed:
    """Write all features of a bundle's snapshot to Redis.

    Readers see the version once all of it is there. A push that was interrupted is done again; a
    version that is pushed again expires no more.

    Parameters
    ----------
    url : str
        The server.
    bundle : Bundle
        A loaded bundle.
    keep_hours : float
        After so many hours the other versions on the server are gone, in hours; servers that still
        read one, and a way back, need it until then.
    instead_of : str, optional
        The only other version that is to be gone then.

    Returns
    -------
    Pushed
        What was written.

    Raises
    ------
    ConfigError
        If the URL is none, or `keep_hours` is not above 0.
    MissingExtraError
        If the package redis is not installed.
    UpstreamError
        If the server cannot be reached, or refuses.
    """
    seconds = round(keep_hours * 3600)
    if seconds < 1:
        raise ConfigError(
            expected="other versions kept for more than 0 hours",
            came=str(keep_hours),
            do="Give servers that still read them time to change over.",
        )
    snapshot = bundle.snapshot
    keys = VersionKeys(bundle.version, snapshot.layout.digest)
    client = connect(url, timeout_s=_TIMEOUT_S)
    try:
        # Named first: a push that is interrupted is then found, and let go, by a later one.
        client.sadd(VERSIONS, keys.member)
        _keep(client, keys)
        histories = 0
        for key, chunks in (
            (keys.users, _user_values(snapshot.users)),
            (keys.items, _item_values(snapshot.items)),
        ):
            for chunk in chunks:
                client.hset(key, mapping=chunk)
        for chunk in _pair_values(snapshot.users, snapshot.pairs):
            client.hset(keys.pairs, mapping=chunk)
            histories += len(chunk)
        client.set(keys.whole, WHOLE)
        _keep(client, keys)  # another push may have let it go meanwhile
        expiring = _let_go(client, keys, seconds=seconds, only=instead_of)
    except (require("redis", extra="redis").RedisError, OSError) as error:
        raise _refused(error) from None
    finally:
        client.close()
    return Pushed(
        version=bundle.version,
        users=snapshot.users.ids.size,
        items=snapshot.items.ids.size,
        histories=histories,
        expiring=expiring,
    )


def push_instead(url: str, *, bundle: Bundle, of: str) -> bool:
    """Write a bundle's features to Redis, if those of the version are there that it stands for.

    Parameters
    ----------
    url : str
        The server.
    bundle : Bundle
        A loaded bundle.
    of : str
        The version whose place it takes; it is gone after a week.

    Returns
    -------
    bool
        Whether they were there.

    Raises
    ------
    ConfigError
        If the URL is none.
    MissingExtraError
        If the package redis is not installed.
    UpstreamError
        If the server cannot be reached, or refuses.
    """
    client = connect(url, timeout_s=_TIMEOUT_S)
    try:
        there = client.exists(VersionKeys(of, bundle.snapshot.layout.digest).whole)
    except (require("redis", extra="redis").RedisError, OSError) as error:
        raise _refused(error) from None
    finally:
        client.close()
    if there:
        push_features(url, bundle=bundle, instead_of=of)
    return bool(there)


def forget_features(url: str, *, user: int | str) -> int:
    """Delete what Redis knows of one user, in every version.

    Parameters
    ----------
    url : str
        The server.
    user : int or str
        The user's id.

    Returns
    -------
    int
        In how many versions there was something.

    Raises
    ------
    ConfigError
        If the URL is none.
    MissingExtraError
        If the package redis is not installed.
    UpstreamError
        If the server cannot be reached, or refuses.
    """
    client = connect(url, timeout_s=_TIMEOUT_S)
    forgotten = 0
    try:
        for member in client.smembers(VERSIONS):
            keys = VersionKeys.of_member(member)
            gone = [client.hdel(key, field(user)) for key in (keys.users, keys.pairs)]
            forgotten += any(gone)
    except (require("redis", extra="redis").RedisError, OSError) as error:
        raise _refused(error) from None
    finally:
        client.close()
    return forgotten


def _keep(client: Any, keys: VersionKeys) -> None:
    for key in (keys.users, keys.items, keys.pairs, keys.whole):
        client.persist(key)


def _let_go(
    client: Any, current: VersionKeys, *, seconds: int, only: str | None
) -> tuple[str, ...]:
    """Let every other version expire that does not already, and strike out those that are gone."""
    expiring = []
    for member in sorted(client.smembers(VERSIONS)):
        keys = VersionKeys.of_member(member)
        if keys == current or only not in (None, keys.version):
            continue
        parts = (keys.users, keys.items, keys.pairs)
        if not client.exists(*parts):
            client.srem(VERSIONS, member)
            continue
        expiring.append(keys.version)
        for key, after in ((keys.whole, 0), *((part, _GRACE_S) for part in parts)):
            if client.ttl(key) == -1:  # there, and not to expire yet
                client.expire(key, seconds + after)
    return tuple(expiring)


def _user_values(table: FeatureTable) -> Iterator[dict[bytes | None, bytes]]:
    for first in range(0, table.ids.size, _AT_ONCE):
        chosen = slice(first, first + _AT_ONCE)
        yield _by_field(table.ids[chosen], table.values[chosen].astype(FLOAT, copy=False))


def _item_values(table: FeatureTable) -> Iterator[dict[bytes | None, bytes]]:
    for first in range(0, table.ids.size, _AT_ONCE):
        ids = table.ids[first : first + _AT_ONCE]
        rows = np.arange(first, first + ids.size, dtype=ROW).view(FLOAT)
        values = table.values[first : first + _AT_ONCE]
        yield _by_field(ids, np.column_stack([rows, values]))


def _pair_values(users: FeatureTable, pairs: PairTable) -> Iterator[dict[bytes | None, bytes]]:
    for first in range(0, users.ids.size, _AT_ONCE):
        ids = users.ids[first : first + _AT_ONCE].tolist()
        starts = pairs.starts[first : first + len(ids) + 1].tolist()
        chunk = {
            field(key): pairs.items[one:other].astype(ROW, copy=False).tobytes()
            + pairs.values[one:other].T.astype(FLOAT, copy=False).tobytes()
            for key, one, other in zip(ids, starts, starts[1:], strict=False)
            if one < other
        }
        if chunk:
            yield chunk


def _by_field(ids: NDArray[Any], values: NDArray[np.float64]) -> dict[bytes | None, bytes]:
    content, width = values.tobytes(), values.shape[1] * FLOAT.itemsize
    return {
        field(key): content[place * width : (place + 1) * width]
        for place, key in enumerate(ids.tolist())
    }


def _refused(error: Exception) -> UpstreamError:
    return UpstreamError(
        expected="a Redis server that takes the features",
        came=f"{type(error).__name__}: {' '.join(str(error).split())}",
        do="Check the address, the password, and the server's memory.",
    )
