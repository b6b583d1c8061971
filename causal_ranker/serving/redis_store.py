"""Features of a published version in Redis: one round trip, and an error or what was pushed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker._extras import require
from causal_ranker.errors import UpstreamError
from causal_ranker.serving.redis_keys import FLOAT, ROW, WHOLE, VersionKeys, field
from causal_ranker.serving.store import FeatureLayout, FeatureRows
from causal_ranker.serving.tables import values_of

__all__ = ["RedisFeatureStore"]


class RedisFeatureStore:
    """The features that :func:`~causal_ranker.serving.redis_push.push_features` wrote.

    All of a request comes in one transaction, so that a version which is deleted meanwhile is there
    as a whole or not at all. The server should evict nothing (``maxmemory-policy noeviction``): a
    user that it forgot is a user that is not known.

    Parameters
    ----------
    client : redis.Redis
        What :func:`~causal_ranker.serving.redis_keys.connect` opened, with waits well below the
        deadline of a request; stores of several versions share one, and whoever opened it closes
        it.
    version : str
        The bundle's version.
    layout : FeatureLayout
        The bundle's layout.
    """

    def __init__(self, client: Any, *, version: str, layout: FeatureLayout) -> None:
        self._client = client
        self._trouble = (require("redis", extra="redis").RedisError, OSError)
        self._keys = VersionKeys(version, layout.digest)
        self._layout = layout

    @property
    def layout(self) -> FeatureLayout:
        """What its columns are."""
        return self._layout

    def read(self, user: int | str, items: Sequence[int | str]) -> FeatureRows:
        """Look up all that one request needs.

        Parameters
        ----------
        user : int or str
            The user's id.
        items : sequence of int or str
            Item ids, each once.

        Returns
        -------
        FeatureRows
            What is known; a user or an item that is not known is no error.

        Raises
        ------
        UpstreamError
            If the server does not answer in time, does not hold the whole version, or holds
            something else.
        """
        layout = self._layout
        own, pairs, found = self._ask(field(user), [field(item) for item in items])
        known = np.array([value is not None for value in found], dtype=np.bool_)
        told, width = [value for value in found if value is not None], 1 + len(layout.items)
        # One by one: two wrong lengths may add up to a right one.
        if {len(value) for value in told} - {width * FLOAT.itemsize}:
            raise _other(f"other than {width} numbers for each item")
        stored = _matrix(b"".join(told), width)
        item_rows = np.full(known.size, -1, dtype=np.int64)
        item_rows[known] = stored[:, 0].view(ROW)
        values = np.full((known.size, len(layout.items)), np.nan)
        values[known] = stored[:, 1:]
        history = _matrix(pairs or b"", 1 + len(layout.pairs), by_column=True)
        return FeatureRows(
            user=None if own is None else _vector(own, len(layout.users)),
            items=values,
            pairs=values_of(
                item_rows, history[:, 0].view(ROW), history[:, 1:], default=layout.default
            ),
            known=known,
        )

    def check(self) -> None:
        """Ask whether the whole version is there.

        Raises
        ------
        UpstreamError
            If it is not, or the server does not answer in time.
        """
        try:
            whole = self._client.get(self._keys.whole)
        except self._trouble as error:
            raise _silent(error) from None
        self._check_whole(whole)

    def _check_whole(self, whole: bytes | None) -> None:
        if whole != WHOLE:
            raise UpstreamError(
                expected=f"features of the version {self._keys.version} in Redis",
                came="nothing that is whole" if whole is None else "those of another format",
                do="Push them: causal-ranker features push.",
            )

    def _ask(
        self, user: bytes | None, items: list[bytes | None]
    ) -> tuple[bytes | None, bytes | None, list[bytes | None]]:
        asked = [item for item in items if item is not None]
        together = self._client.pipeline(transaction=True)
        together.get(self._keys.whole)
        if user is not None:
            together.hget(self._keys.users, user)
            together.hget(self._keys.pairs, user)
        if asked:
            together.hmget(self._keys.items, asked)
        try:
            whole, *answers = together.execute()
        except self._trouble as error:
            raise _silent(error) from None
        self._check_whole(whole)
        own, pairs = answers[:2] if user is not None else (None, None)
        told = iter(answers[-1] if asked else ())
        return own, pairs, [None if item is None else next(told) for item in items]


def _silent(error: Exception) -> UpstreamError:
    return UpstreamError(
        expected="the features of a request from Redis",
        came=f"{type(error).__name__}: {' '.join(str(error).split())}",
        do="Look after the server, its load and the way to it.",
    )


def _vector(content: bytes, width: int) -> NDArray[np.float64]:
    if len(content) != width * FLOAT.itemsize:
        raise _other(f"{len(content)} bytes for {width} features of a user")
    return np.frombuffer(content, dtype=FLOAT)


def _matrix(content: bytes, width: int, *, by_column: bool = False) -> NDArray[Any]:
    """Rows of one whole number and features, all of 64 bits; the first column is to be viewed."""
    rows, rest = divmod(len(content), width * FLOAT.itemsize)
    if rest:
        raise _other(f"{len(content)} bytes for rows of {width} numbers")
    values = np.frombuffer(content, dtype=FLOAT)
    return values.reshape(width, rows).T if by_column else values.reshape(rows, width)


def _other(came: str) -> UpstreamError:
    return UpstreamError(
        expected="features in Redis in the bundle's layout",
        came=came,
        do="Push them again: causal-ranker features push.",
    )
