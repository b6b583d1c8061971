"""Touch models: how one play's credit is shared among its impressions.

Each model is a window expression over the eligible pairs of one play. Impressions at the same
time stand in the order of their ids that `causal_ranker.logs.ids` gives, so that every engine gives
the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import ibis

from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.attribution.shares import SurfaceShares
from causal_ranker.columns import Columns as C
from causal_ranker.logs.flags import zero_or_one
from causal_ranker.logs.ids import id_order

__all__ = [
    "credit_pairs",
    "first_touch",
    "last_touch",
    "linear_touch",
    "position_touch",
    "shapley_touch",
    "time_decay_touch",
]

_BITS: Final = 40


def credit_pairs(pairs: ibis.Table, *, config: AttributionConfig) -> ibis.Table:
    """Share each play's credit by the config's touch model.

    Parameters
    ----------
    pairs : ibis.Table
        Eligible pairs: ``play_id``, ``impression_id``, ``t0``; for ``shapley`` also ``surface``.
    config : AttributionConfig
        The touch model and its settings.

    Returns
    -------
    ibis.Table
        The credited pairs, with ``credit``; a play's credits sum to 1.
    """
    if config.touch == "last":
        return last_touch(pairs)
    if config.touch == "first":
        return first_touch(pairs)
    if config.touch == "linear":
        return linear_touch(pairs)
    if config.touch == "time_decay":
        return time_decay_touch(pairs, half_life_hours=config.half_life_hours)
    if config.surface_shares is not None:  # then, and then only, the model is "shapley"
        return shapley_touch(pairs, shares=config.surface_shares)
    return position_touch(pairs, first_share=config.first_share, last_share=config.last_share)


def last_touch(pairs: ibis.Table) -> ibis.Table:
    """Give the whole credit to the latest impression before the play.

    Parameters
    ----------
    pairs : ibis.Table
        Eligible pairs: ``play_id``, ``impression_id``, ``t0``.

    Returns
    -------
    ibis.Table
        The credited pairs, with ``credit`` 1; at most one per play.
    """
    return _one(pairs, latest=True)


def first_touch(pairs: ibis.Table) -> ibis.Table:
    """Give the whole credit to the earliest impression in the window.

    Parameters
    ----------
    pairs : ibis.Table
        Eligible pairs: ``play_id``, ``impression_id``, ``t0``.

    Returns
    -------
    ibis.Table
        The credited pairs, with ``credit`` 1; at most one per play.
    """
    return _one(pairs, latest=False)


def linear_touch(pairs: ibis.Table) -> ibis.Table:
    """Share the credit equally: each of a play's n eligible impressions gets 1/n.

    Parameters
    ----------
    pairs : ibis.Table
        Eligible pairs: ``play_id``, ``impression_id``, ``t0``.

    Returns
    -------
    ibis.Table
        All pairs, with ``credit``; a play's credits sum to 1.
    """
    of_play = ibis.window(group_by=pairs[C.PLAY])
    return pairs.mutate(**{C.CREDIT: _float(1) / pairs.count().over(of_play).cast("float64")})


def time_decay_touch(pairs: ibis.Table, *, half_life_hours: float) -> ibis.Table:
    """Share the credit in proportion to ``2^(-age / half-life)``.

    Ages are taken against the play's latest impression, in whole seconds, and weights are whole
    multiples of 2^-40 of its weight, at least one: so all engines give the same credit.

    Parameters
    ----------
    pairs : ibis.Table
        Eligible pairs: ``play_id``, ``impression_id``, ``t0``.
    half_life_hours : float
        An impression this much earlier than another gets half its credit.

    Returns
    -------
    ibis.Table
        All pairs, with ``credit``; a play's credits sum to 1.
    """
    of_play = ibis.window(group_by=pairs[C.PLAY])
    seconds = pairs[C.T0].truncate("s").epoch_seconds().cast("float64")
    aged = pairs.mutate(age=seconds.max().over(of_play) - seconds)
    exponent = _BITS - aged["age"] / (half_life_hours * 3600)
    # Whole weights: their sum is exact, in whatever order an engine adds.
    power = ibis.literal(2.0, "float64") ** ibis.greatest(exponent, 0.0)
    weighed = aged.mutate(share=power.round().cast("int64"))
    total = weighed["share"].sum().over(ibis.window(group_by=weighed[C.PLAY]))
    credit = weighed["share"].cast("float64") / total.cast("float64")
    return weighed.mutate(**{C.CREDIT: credit}).drop("age", "share")


def position_touch(pairs: ibis.Table, *, first_share: float, last_share: float) -> ibis.Table:
    """Give fixed shares to the first and the last impression; those between share the rest.

    A single impression gets everything; two share in proportion to `first_share` and `last_share`.

    Parameters
    ----------
    pairs : ibis.Table
        Eligible pairs: ``play_id``, ``impression_id``, ``t0``.
    first_share, last_share : float
        Credit of the first and of the last; together above 0 and at most 1.

    Returns
    -------
    ibis.Table
        The pairs with a ``credit`` above 0; a play's credits sum to 1.
    """
    in_order = ibis.window(group_by=pairs[C.PLAY], order_by=_in_order(pairs))
    counted = pairs.mutate(
        place=ibis.row_number().over(in_order),
        touches=pairs.count().over(ibis.window(group_by=pairs[C.PLAY])),
    )
    ends = first_share + last_share
    place, touches = counted["place"], counted["touches"]
    of_two = ibis.ifelse(place == 0, _float(first_share / ends), _float(last_share / ends))
    between = _float(1 - ends) / ibis.greatest(touches - 2, 1).cast("float64")
    of_many = ibis.cases(
        (place == 0, _float(first_share)),
        (place == touches - 1, _float(last_share)),
        else_=between,
    )
    credit = ibis.cases((touches == 1, _float(1)), (touches == 2, of_two), else_=of_many)
    shared = counted.mutate(**{C.CREDIT: credit}).drop("place", "touches")
    return shared.filter(shared[C.CREDIT] > 0)


def shapley_touch(pairs: ibis.Table, *, shares: SurfaceShares) -> ibis.Table:
    """Share the credit among the play's surfaces as learned, and equally within a surface.

    Parameters
    ----------
    pairs : ibis.Table
        Eligible pairs: ``play_id``, ``impression_id``, ``t0``, ``surface``.
    shares : SurfaceShares
        What `causal_ranker.attribution.shapley.learn_surface_shares` learned.

    Returns
    -------
    ibis.Table
        The pairs with a ``credit`` above 0, without the surface; a play's credits sum to 1.
    """
    names = shares.surfaces
    named = [(pairs[C.SURFACE] == name, i) for i, name in enumerate(names) if i]
    # Number 0 is the empty name.
    number = ibis.cases(*named, else_=0) if named else ibis.literal(0)
    numbered = pairs.mutate(number=number.cast("int64"))
    of_play = ibis.window(group_by=numbered[C.PLAY])
    seen = [zero_or_one(numbered["number"] == i).max().over(of_play) for i in range(len(names))]
    counted = numbered.mutate(
        mask=sum((there * 2**i for i, there in enumerate(seen)), ibis.literal(0, "int64")),
        kinds=sum(seen, ibis.literal(0, "int64")),
        alike=numbered.count().over(ibis.window(group_by=[numbered[C.PLAY], numbered["number"]])),
    )
    place = {name: i for i, name in enumerate(names)}
    learned = [
        (sum(2 ** place[name] for name in each.surfaces), place[surface], whole)
        for each in shares.sets
        for surface, whole in zip(each.surfaces, _whole(each.shares), strict=True)
    ]
    code = counted["mask"] * len(names) + counted["number"]
    one = ibis.literal(2**_BITS, "int64").cast("float64")
    equal = (one / counted["kinds"].cast("float64")).round().cast("int64")
    parts = equal
    if learned:
        # Named once: engines that inline it would repeat all its branches.
        parts = ibis.cases(
            *(
                (code == mask * len(names) + i, ibis.literal(whole, "int64"))
                for mask, i, whole in learned
            ),
            else_=equal,
        )
    credit = parts.cast("float64") / (counted["alike"].cast("float64") * one)
    credited = counted.mutate(**{C.CREDIT: credit})
    return credited.filter(credited[C.CREDIT] > 0).drop(
        C.SURFACE, "number", "mask", "kinds", "alike"
    )


def _whole(shares: Sequence[float]) -> list[int]:
    """Write shares as whole multiples of 2^-40 that sum to 1.

    Engines read a decimal number with different last bits; whole numbers they read alike.
    """
    parts = [round(share * 2**_BITS) for share in shares]
    parts[parts.index(max(parts))] += 2**_BITS - sum(parts)
    return parts


def _in_order(pairs: ibis.Table) -> list[ibis.Column]:
    return [pairs[C.T0], *id_order(pairs[C.IMPRESSION])]


def _one(pairs: ibis.Table, *, latest: bool) -> ibis.Table:
    order = _in_order(pairs)
    # Not an aggregate by a struct of these keys: it holds fewer pairs at a time, but DuckDB cannot
    # spill its states, and can spill a window.
    keys = [part.desc() if latest else part.asc() for part in order]
    # row_number counts from 0.
    place = ibis.row_number().over(ibis.window(group_by=pairs[C.PLAY], order_by=keys))
    placed = pairs.mutate(place=place)
    kept = placed.filter(placed.place == 0)
    return kept.mutate(**{C.CREDIT: _float(1)}).drop("place")


def _float(number: float) -> ibis.Value:
    # Engines read 0.4 as a decimal, and reckon with decimals at a fixed number of digits.
    return ibis.literal(str(number)).cast("float64")
