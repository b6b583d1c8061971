"""Controls where nobody logged candidates: sampled from the catalogue, at a known rate.

A request without a candidate log says what was shown, not what else could have been. Rows for the
other arm are drawn from the items that were there at t0. Who becomes a control depends on the
request and a salt alone, so it is decided before anything can happen; a control starts at the same
t0 as the rows that were shown, and has the same horizon.
"""

from __future__ import annotations

from typing import Annotated, Final

import ibis
from pydantic import Field

from causal_ranker.columns import Columns as C
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import EmptyError
from causal_ranker.labels.availability import was_there, with_bounds
from causal_ranker.labels.sampling import DRAW, draw, uniform_index
from causal_ranker.logs.contract import check_same_ids
from causal_ranker.logs.ids import id_order
from causal_ranker.logs.sources import reading

__all__ = ["ControlConfig", "every_item", "sample_controls"]

# What is known of a request, whatever the item.
_OF_REQUEST: Final = (C.HORIZON_END, C.HOUR, C.DEVICE, C.SESSION_SO_FAR)
_NUMBER, _PLACED = "control_number", "control_placed"
_BITS: Final = 20


class ControlConfig(FrozenConfig):
    """How many controls, and which.

    Parameters
    ----------
    per_request : int, default 20
        Draws from the catalogue for each request, with replacement: the number of its controls is
        smaller by what was drawn twice, was shown, or was not available.
    seed : int, default 0
        Another seed draws other controls.
    """

    per_request: Annotated[int, Field(ge=1, le=10_000)] = 20
    seed: Annotated[int, Field(ge=0)] = 0


def sample_controls(
    impressions: ibis.Table, items: ibis.Table, *, config: ControlConfig
) -> ibis.Table:
    """Make a candidate log of what was shown and of sampled items that could have been.

    Each of the n items of the catalogue is drawn for a request with the same chance
    ``p = 1 - (1 - 1/n)^per_request``, whether it was shown or not. So an item that was not shown
    becomes a control with chance p, and carries the sampling weight 1/p; what was shown carries 1.

    Parameters
    ----------
    impressions : ibis.Table
        Impression log that passed `causal_ranker.logs.contract.check_impressions`. ``hour``,
        ``device``, ``session_so_far`` and ``horizon_end`` are taken as the request's (the smallest,
        should its rows differ).
    items : ibis.Table
        The catalogue, one row per ``item_id``, at most 2^21; instants ``available_from``
        (included) and ``available_until`` (excluded) where there are any, null for no bound.
        Chances are even up to a part in 2^31 / n.
    config : ControlConfig
        How many.

    Returns
    -------
    ibis.Table
        A candidate log: ``user_id``, ``item_id``, ``t0``, ``shown``, ``sampling_weight`` and what
        is known of the request. It has no propensity and no base score, which nobody knows for
        controls.

    Raises
    ------
    EmptyError
        If the catalogue is empty.
    SchemaError
        If ids differ in type between the tables, or a bound of availability is no instant.
    """
    check_same_ids({"impressions": impressions, "items": items})
    items = with_bounds(items)
    with reading("items"):
        size = int(items.count().to_pyarrow().as_py())
    if size == 0:
        raise EmptyError(
            expected="items to draw controls from", came="an empty table", do="Pass the catalogue."
        )
    requests = _requests(impressions)
    shown = impressions.select(C.USER, C.ITEM, C.T0).distinct()
    drawn = _draws(requests, items, size=size, config=config)
    placed = shown.mutate(**{_PLACED: ibis.literal(True)})
    joined = drawn.left_join(placed, [drawn[name] == placed[name] for name in shown.columns])
    controls = joined.filter(joined[_PLACED].isnull()).select(
        *(drawn[name] for name in (C.USER, C.ITEM, C.T0))
    )
    chance = 1 - (1 - 1 / size) ** config.per_request
    # Engines read decimals with different last bits; whole numbers they read alike.
    weight = ibis.literal(round(2**_BITS / chance), "int64").cast("float64") / 2**_BITS
    one = ibis.literal(1, "int64").cast("float64")
    rows = shown.mutate(**{C.SHOWN: ibis.literal(True), C.SAMPLING_WEIGHT: one}).union(
        controls.mutate(**{C.SHOWN: ibis.literal(False), C.SAMPLING_WEIGHT: weight})
    )
    return _with_context(rows, requests)


def every_item(impressions: ibis.Table, items: ibis.Table) -> ibis.Table:
    """Make a candidate log in which each request could have been shown each item there was.

    Nothing is drawn, so lists can be ranked whole; rows are requests times items. It says that the
    recommender chose among all of them, which is for the caller to know: an item that it never
    would have shown has no overlap, and is left out of estimates for that.

    Parameters
    ----------
    impressions : ibis.Table
        Impression log that passed `causal_ranker.logs.contract.check_impressions`.
    items : ibis.Table
        The catalogue, one row per ``item_id``; ``available_from`` (included) and
        ``available_until`` (excluded) where there are any, null for no bound.

    Returns
    -------
    ibis.Table
        A candidate log: ``user_id``, ``item_id``, ``t0``, ``shown`` and what is known of the
        request (as for `sample_controls`). What was shown is a candidate even where the catalogue
        says that it was not there.

    Raises
    ------
    SchemaError
        If ids differ in type between the tables, or a bound of availability is no instant.
    """
    check_same_ids({"impressions": impressions, "items": items})
    items = with_bounds(items)
    request = [C.USER, C.T0]
    requests = _requests(impressions)
    shown = impressions.select(C.USER, C.ITEM, C.T0).distinct()
    all_items = requests.select(*request).cross_join(items)
    there = all_items.filter(was_there(all_items, all_items[C.T0]))
    rows = there.select(C.USER, C.ITEM, C.T0).union(shown, distinct=True)
    placed = shown.mutate(**{_PLACED: ibis.literal(True)})
    joined = rows.left_join(placed, [rows[name] == placed[name] for name in shown.columns])
    marked = joined.select(rows, **{C.SHOWN: joined[_PLACED].notnull()})
    return _with_context(marked, requests)


def _requests(impressions: ibis.Table) -> ibis.Table:
    context = [name for name in _OF_REQUEST if name in impressions.columns]
    return impressions.group_by([C.USER, C.T0]).aggregate(
        **{name: impressions[name].min() for name in context}
    )


def _with_context(rows: ibis.Table, requests: ibis.Table) -> ibis.Table:
    request = [C.USER, C.T0]
    context = [name for name in requests.columns if name not in request]
    if not context:
        return rows
    known = rows.inner_join(requests, [rows[name] == requests[name] for name in request])
    return known.select(rows, *(requests[name] for name in context))


def _draws(
    requests: ibis.Table, items: ibis.Table, *, size: int, config: ControlConfig
) -> ibis.Table:
    """Draw items for each request; each item it meets once, and only if it was there at t0."""
    tries = requests.select(
        C.USER,
        C.T0,
        **{C.ITEM: ibis.array(list(range(config.per_request))).cast("array<int64>").unnest()},
    )
    lots = draw(tries, salt=f"controls-{config.seed}")
    met = lots.select(C.USER, C.T0, **{_NUMBER: uniform_index(lots[DRAW], size)}).distinct()
    place = ibis.row_number().over(order_by=id_order(items[C.ITEM]))
    numbered = items.mutate(**{_NUMBER: place.cast("int64")})
    found = met.inner_join(numbered, met[_NUMBER] == numbered[_NUMBER])
    there = was_there(found, found[C.T0])
    return found.filter(there).select(met[C.USER], numbered[C.ITEM], met[C.T0])
