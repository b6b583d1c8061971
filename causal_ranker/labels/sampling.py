"""Sampling of rows at a known rate: the same rows on every run, whatever the row order.

There is no random state: each row's key and a salt decide. Integer ids are mixed by arithmetic
modulo a prime, which every engine computes alike; string ids by `causal_ranker.logs.ids.text_hash`.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import ibis

from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError
from causal_ranker.logs.hours import whole_seconds
from causal_ranker.logs.ids import text_hash

__all__ = [
    "DRAW",
    "IN_SAMPLE",
    "draw",
    "is_below",
    "mark_sample",
    "uniform_index",
    "weigh_zeros",
]

IN_SAMPLE: Final = "in_sample"
"""The column that `mark_sample` adds."""
DRAW: Final = "sampling_draw"
"""The column that `draw` adds."""

# The largest prime below 2^31 for which 3 does not divide P - 1: x -> x^3 permutes the residues,
# and products of two residues fit into 64 bits.
_P: Final = 2_147_483_579
_ROUNDS: Final = 4
_DIGITS: Final = 16
_INDEX_DIGITS: Final = 8
# Products of a draw and this stay below 2^53: some engines divide whole numbers as floats.
_LARGEST: Final = 2**21


def mark_sample(rows: ibis.Table, *, share: float, salt: str) -> ibis.Table:
    """Mark a pseudo-random sample of the rows.

    Rows whose t0 lie in the same second share their fate.

    Parameters
    ----------
    rows : ibis.Table
        Rows with ``user_id``, ``item_id`` and ``t0``.
    share : float
        Expected share of marked rows, in (0, 1].
    salt : str
        Different salts give independent samples.

    Returns
    -------
    ibis.Table
        The rows with the boolean column ``in_sample``.
    """
    drawn = draw(rows, salt=salt)
    return drawn.mutate(**{IN_SAMPLE: is_below(drawn[DRAW], share)}).drop(DRAW)


def draw(rows: ibis.Table, *, salt: str) -> ibis.Table:
    """Give each row a pseudo-random draw, to be asked by `is_below`.

    Parameters
    ----------
    rows : ibis.Table
        Rows with ``user_id``, ``item_id`` and ``t0``.
    salt : str
        Different salts give independent draws.

    Returns
    -------
    ibis.Table
        The rows with the column ``sampling_draw``.
    """
    if all(_fits_int64(rows[column].type()) for column in (C.USER, C.ITEM)):
        return _draw_integers(rows, salt)
    text = ibis.literal(salt)
    for part in (rows[C.USER], rows[C.ITEM], whole_seconds(rows[C.T0])):
        text = text + "|" + part.cast("string")
    return rows.mutate(**{DRAW: text_hash(text)})


def is_below(drawn: ibis.Value, share: float) -> ibis.BooleanValue:
    """Say which draws lie in the lowest share of all possible ones.

    Parameters
    ----------
    drawn : ibis.Value
        The column that `draw` adds.
    share : float
        In [0, 1].

    Returns
    -------
    ibis.BooleanValue
        True for that share of the rows, in expectation; never for 0, always for 1.
    """
    if share == 1:
        return ibis.literal(True)
    if drawn.type().is_integer():
        return drawn < round(share * _P)
    # Digits compare as text in the order of their values.
    return drawn < format(int(share * 16**_DIGITS), f"0{_DIGITS}x")


def uniform_index(drawn: ibis.Value, size: int) -> Any:
    """Turn draws into whole numbers of equal chance.

    Parameters
    ----------
    drawn : ibis.Value
        The column that `draw` adds.
    size : int
        How many numbers there are, from 0; at most 2^21.

    Returns
    -------
    ibis.Value
        int64 in ``[0, size)``.
    """
    if size > _LARGEST:
        raise ConfigError(
            expected=f"at most {_LARGEST:,} items to draw from",
            came=f"{size:,}",
            do="Draw from the items that could have been shown, not from all there ever were.",
        )
    if drawn.type().is_integer():
        return (drawn * size // _P).cast("int64")
    # No engine's way to read hexadecimal digits is another's.
    digits = ibis.literal("0123456789abcdef")
    # Ibis takes a position for 64 bits already; Spark gives 32. The detour makes it cast.
    values = [
        digits.find(drawn.substr(i, 1)).cast("int32").cast("int64") for i in range(_INDEX_DIGITS)
    ]
    number: Any = values[0]
    for value in values[1:]:
        number = number * 16 + value
    return (number * size // 16**_INDEX_DIGITS).cast("int64")


def weigh_zeros(rows: ibis.Table, rate: float | ibis.Value) -> ibis.Table:
    """Give rows the weights that undo a sample by outcome.

    Parameters
    ----------
    rows : ibis.Table
        Labelled rows of a sample that has every row with outcome 1.
    rate : float or ibis.Value
        The share of rows with outcome 0 that were kept.

    Returns
    -------
    ibis.Table
        The rows with ``sampling_weight``, times 1 or 1 / rate, and the ``analysis_weight``.
    """
    weight = rows[C.SAMPLING_WEIGHT] * ibis.ifelse(rows[C.OUTCOME] == 1, 1.0, 1 / rate).cast(
        "float64"
    )
    return rows.mutate(
        **{C.SAMPLING_WEIGHT: weight, C.ANALYSIS_WEIGHT: weight * rows[C.CENSORING_WEIGHT]}
    )


def _draw_integers(rows: ibis.Table, salt: str) -> ibis.Table:
    # h <- (h + salt + key)^3 mod P, over user, item, t0 and once more without a key.
    digest = hashlib.blake2b(salt.encode(), digest_size=4 * _ROUNDS).digest()
    salts = [int.from_bytes(digest[i : i + 4], "big") % _P for i in range(0, 4 * _ROUNDS, 4)]
    keys = (rows[C.USER].cast("int64"), rows[C.ITEM].cast("int64"), whole_seconds(rows[C.T0]))
    state: Any = ibis.literal(0).cast("int64")
    mixed = rows
    for i, salt_i in enumerate(salts):
        # P is added because the remainder of a negative number is negative in SQL.
        added = state + salt_i + (keys[i] % _P + _P if i < len(keys) else 0)
        # One step per mutate: in one nested expression h would be computed at each use.
        mixed = mixed.mutate(**{DRAW: added % _P})
        h = mixed[DRAW]
        mixed = mixed.mutate(**{DRAW: h * h % _P * h % _P})
        state = mixed[DRAW]
    return mixed


def _fits_int64(dtype: Any) -> bool:
    return bool(dtype.is_integer()) and not dtype.is_uint64()
