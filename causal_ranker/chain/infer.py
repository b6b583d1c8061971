"""Which columns of a caller's tables become features, where no configuration says so."""

from __future__ import annotations

import ibis

from causal_ranker.columns import Columns as C
from causal_ranker.features.config import FeatureConfig

__all__ = ["infer_features"]

_MOMENT = (C.HOUR, C.DEVICE, C.SESSION_SO_FAR)


def infer_features(
    candidates: ibis.Table, *, users: ibis.Table | None, items: ibis.Table | None
) -> FeatureConfig:
    """Use every covariate of the user and item tables, and the moment of the request.

    Numbers stay numbers; text and booleans become categories, and so do numbers that came as a
    dictionary, of which `read_table` made text. Other columns of the candidate log are left out,
    as nobody said that they were known before t0. An item column called ``category`` also groups
    plays.

    Parameters
    ----------
    candidates : ibis.Table
        Candidate log.
    users, items : ibis.Table or None
        User and item tables.

    Returns
    -------
    FeatureConfig
        The features.
    """
    moment = candidates.select(*[name for name in _MOMENT if name in candidates.columns])
    row_numbers, row_categories = _split(moment)
    user_numbers, user_categories = _split(users)
    item_numbers, item_categories = _split(items)
    return FeatureConfig(
        item_group="category" if "category" in item_categories else None,
        item_numbers=item_numbers,
        item_categories=item_categories,
        user_numbers=user_numbers,
        user_categories=user_categories,
        row_numbers=row_numbers,
        row_categories=row_categories,
    )


def _split(table: ibis.Table | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if table is None:
        return (), ()
    columns = {name: kind for name, kind in table.schema().items() if name not in (C.USER, C.ITEM)}
    numbers = tuple(name for name, kind in columns.items() if kind.is_numeric())
    categories = tuple(
        name for name, kind in columns.items() if kind.is_string() or kind.is_boolean()
    )
    return numbers, categories
