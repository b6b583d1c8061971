"""Hillstrom's e-mail challenge: 64,000 customers in three randomised arms, as logs.

An e-mail is the item, a visit to the shop within two weeks the play. The source has no times: all
e-mails went out at one moment, which is a stated, nominal one here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import ibis
from ibis.backends.duckdb import Backend

from causal_ranker.columns import Columns as C
from causal_ranker.errors import RowError
from causal_ranker.logs.contract import check_candidates, check_plays, check_users
from causal_ranker.logs.rules import require_columns
from causal_ranker.logs.sources import read_table

__all__ = ["HillstromLogs", "load_hillstrom"]

_EMAILS: Final = {"Mens E-Mail": "mens", "Womens E-Mail": "womens"}
_NONE: Final = "No E-Mail"
_FACTS: Final = (
    "recency", "history_segment", "history", "mens", "womens", "zip_code", "newbie", "channel",
)  # fmt: skip
_OUTCOMES: Final = ("visit", "conversion", "spend")
_SENT: Final = datetime(2008, 3, 1, tzinfo=UTC)
_HORIZON: Final = timedelta(days=14)


@dataclass(frozen=True)
class HillstromLogs:
    """The data set in the contract's form; all tables are lazy.

    Attributes
    ----------
    candidates : ibis.Table
        A row per customer and e-mail that the customer could have got: each e-mail with its own
        arm and with the arm without e-mail. ``propensity`` is .5: one third against one third.
    plays : ibis.Table
        A row per customer who visited, for each of the customer's e-mails, with ``conversion``
        and ``spend``. A visit has no time of its own: it stands at the moment of sending.
    users : ibis.Table
        What was known of each customer before.
    """

    candidates: ibis.Table
    plays: ibis.Table
    users: ibis.Table


def load_hillstrom(source: str | Path, connection: Backend) -> HillstromLogs:
    """Read the challenge's file.

    Parameters
    ----------
    source : str or Path
        The CSV file, packed or not, with its published column names.
    connection : ibis.backends.duckdb.Backend
        The embedded engine (see `causal_ranker.logs.sources.connect`).

    Returns
    -------
    HillstromLogs
        Candidates, visits and customers; a customer's id is the place in an order of all columns.

    Raises
    ------
    DataError
        If a column is absent, or an arm is none of the three.
    """
    name = "the Hillstrom file"
    rows = read_table(str(source), connection, name=name)
    require_columns(rows, ("segment", *_FACTS, *_OUTCOMES), name=name)
    known = [*_EMAILS, _NONE]
    strange = rows.filter(~rows.segment.isin(known) | rows.segment.isnull())
    count = int(strange.count().to_pyarrow().as_py())
    if count:
        example = strange.select("segment").limit(1).to_pyarrow()["segment"][0].as_py()
        raise RowError(
            expected=f"the arms {', '.join(known)} in the column 'segment' of {name}",
            came=f"{count} rows with others, e.g. {example!r}",
            do="Use the file as it was published.",
        )
    order = [rows[column] for column in ("segment", *_FACTS, *_OUTCOMES)]
    number = ibis.row_number().over(ibis.window(order_by=order)).cast("int64")
    customers = connection.create_table(
        ibis.util.gen_name("hillstrom"), rows.mutate(**{C.USER: number}), temp=True
    )
    offers = ibis.union(
        *(
            _offer(customers.filter(customers.segment.isin([arm, _NONE])), arm, item)
            for arm, item in _EMAILS.items()
        )
    )
    visits = offers.filter(offers.visit == 1)
    plays = visits.select(
        **{C.PLAY: visits[C.USER].cast("string") + "-" + visits[C.ITEM]},
        user_id=visits[C.USER],
        item_id=visits[C.ITEM],
        played_at=visits[C.T0],
        surface=ibis.literal("shop"),
        conversion=visits.conversion,
        spend=visits.spend,
    )
    return HillstromLogs(
        candidates=check_candidates(offers.drop(*_OUTCOMES)),
        plays=check_plays(plays),
        users=check_users(customers.select(C.USER, *_FACTS)),
    )


def _offer(customers: ibis.Table, arm: str, item: str) -> ibis.Table:
    return customers.select(
        C.USER,
        *_OUTCOMES,
        **{
            C.ITEM: ibis.literal(item),
            C.T0: ibis.literal(_SENT).cast("timestamp('UTC')"),
            C.HORIZON_END: ibis.literal(_SENT + _HORIZON).cast("timestamp('UTC')"),
            C.SHOWN: customers.segment == arm,
            C.PROPENSITY: ibis.literal(0.5, "float64"),
        },
    )
