"""The Open Bandit Dataset: fashion items drawn by two known policies, as logs.

There is no user in it: each row is one slot shown to somebody unknown, so each is its own user and
its own request. Clicks have no time of their own and stand at that of their impression. Logged
propensities are kept as they are, down to one in a million.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ibis
from ibis.backends.duckdb import Backend

from causal_ranker.columns import Columns as C
from causal_ranker.logs.contract import check_impressions, check_plays
from causal_ranker.logs.rules import require_columns
from causal_ranker.logs.sources import read_table

__all__ = ["BanditLogs", "load_open_bandit"]

_NEEDED = ("timestamp", "item_id", "position", "click", "propensity_score")


@dataclass(frozen=True)
class BanditLogs:
    """The data set in the contract's form; both tables are lazy.

    Attributes
    ----------
    impressions : ibis.Table
        A row per slot shown: ids, ``t0``, ``position``, ``propensity``, and the other columns of
        the source as they are (policy, campaign, hashed user features).
    plays : ibis.Table
        A row per click, of the surface ``slot``.
    """

    impressions: ibis.Table
    plays: ibis.Table


def load_open_bandit(source: str | Path, connection: Backend) -> BanditLogs:
    """Read files of the Open Bandit Dataset.

    Parameters
    ----------
    source : str or Path
        Parquet or CSV file(s), e.g. ``obd/random/men/men.csv``, with columns ``timestamp``,
        ``item_id``, ``position``, ``click`` and ``propensity_score``.
    connection : ibis.backends.duckdb.Backend
        The embedded engine (see `causal_ranker.logs.sources.connect`).

    Returns
    -------
    BanditLogs
        Impressions and clicks. Items are numbered within a campaign: do not mix campaigns.

    Raises
    ------
    DataError
        If a column is absent or a row breaks the contract.
    """
    rows = read_table(str(source), connection, name="the Open Bandit log")
    require_columns(rows, _NEEDED, name="the Open Bandit log")
    others = [
        name for name in rows.columns if name not in _NEEDED and not name.startswith("user-item")
    ]
    # Ids number the rows in an order of their own, whatever the order of the file.
    order = [rows[name] for name in ("timestamp", "position", "item_id", *others)]
    number = ibis.row_number().over(ibis.window(order_by=order)).cast("int64")
    numbered = connection.create_table(
        ibis.util.gen_name("open_bandit"), rows.mutate(**{C.IMPRESSION: number}), temp=True
    )
    impressions = numbered.select(
        C.IMPRESSION,
        **{C.USER: numbered[C.IMPRESSION]},
        item_id=numbered.item_id.cast("int64"),
        t0=numbered.timestamp,
        position=numbered.position.cast("int64"),
        propensity=numbered.propensity_score,
        **{name: numbered[name] for name in others},
    )
    clicked = numbered.filter(numbered.click == 1)
    plays = clicked.select(
        **{C.PLAY: clicked[C.IMPRESSION], C.USER: clicked[C.IMPRESSION]},
        item_id=clicked.item_id.cast("int64"),
        played_at=clicked.timestamp,
        surface=ibis.literal("slot"),
    )
    return BanditLogs(check_impressions(impressions), check_plays(plays))
