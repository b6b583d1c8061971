"""A table of what a shadow version would have shown, to be joined with decisions by their id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from causal_ranker.columns import Columns as C
from causal_ranker.serving.decisions.record import ShadowRecord, id_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["shadow_table"]


def shadow_table(records: Sequence[ShadowRecord]) -> pa.Table:
    """Write what a shadow would have shown: a row for each list.

    Parameters
    ----------
    records : sequence of ShadowRecord
        The lists.

    Returns
    -------
    pyarrow.Table
        Ids of users and items as JSON, in which 5 and "5" differ: the shadow may know items of
        another type. ``items`` and ``score`` hold the best first.
    """
    import pyarrow as pa

    items = [[id_text(item) for item in each.items] for each in records]
    return pa.table(
        {
            "decision_id": pa.array([each.decision_id for each in records], pa.string()),
            C.USER: pa.array([id_text(each.user_id) for each in records], pa.string()),
            "version": pa.array([each.version for each in records], pa.string()),
            "items": pa.array(items, pa.list_(pa.string())),
            "score": pa.array([each.score for each in records], pa.list_(pa.float64())),
            "fallback": pa.array([each.fallback for each in records], pa.string()),
        }
    )
