"""What a learner may read of a simulated world: what was known before t0, and nothing later."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError
from causal_ranker.seeds import stage_rng
from causal_ranker.worlds.covariates import GENRES
from causal_ranker.worlds.learner_rows import LearnerRows
from causal_ranker.worlds.logs import LOGGED_AT, TruthColumns, WorldLogs
from causal_ranker.worlds.visits import DEVICES

__all__ = ["learner_rows"]

IntArray = NDArray[np.int64]

_LEVELS: Final = {
    C.DEVICE: DEVICES,
    "main_device": DEVICES,
    "favourite_genre": GENRES,
    "genre": GENRES,
}


def learner_rows(logs: WorldLogs, *, rows: int, seed: int, logged: bool) -> LearnerRows:
    """Draw rows for a learner from a simulated world, with the truth beside them.

    Every candidate row whose horizon ended within the log has the same chance, so weights are 1
    and no propensity moves. State counts impressions before t0, and plays that began and arrived
    before t0; it is counted before rows are drawn, from all that was logged.

    Parameters
    ----------
    logs : WorldLogs
        What the world wrote.
    rows : int
        How many to draw.
    seed : int
        Decides which rows.
    logged : bool
        Whether the rows' propensities are told; NaN throughout otherwise. Either way
        `true_propensity` is that of being placed in the slate, exact given the base scores of the
        request, and the unit is the request.

    Returns
    -------
    LearnerRows
        In order of t0. Features are the base recommender's (score, rank, and the log of the sum
        of the request's exponentiated scores), the request's, covariates of user and item, and
        the state.

    Raises
    ------
    ConfigError
        If fewer rows have ended than are asked for.
    """
    ended = np.flatnonzero(logs.candidates[C.HORIZON_END] <= logs.log_end)
    if not 1 <= rows <= ended.size:
        raise ConfigError(
            expected=f"from 1 to {ended.size} rows, as many as have ended",
            came=f"rows = {rows}",
            do="Ask for fewer rows, or simulate more users or days.",
        )
    rng = stage_rng(seed, "learner_rows")
    chosen = np.sort(rng.choice(ended, size=rows, replace=False))
    row, truth = logs.candidates.iloc[chosen], logs.truth.iloc[chosen]
    features = {**_request(logs, row), **_covariates(logs, row), **_state(logs, row)}
    treatment = row[C.SHOWN].to_numpy(dtype=np.int8)
    y0, y1 = (truth[name].to_numpy(np.int8) for name in (TruthColumns.Y0, TruthColumns.Y1))
    propensity = row[C.PROPENSITY].to_numpy(dtype=np.float64)
    return LearnerRows(
        features=np.column_stack(list(features.values())).astype(np.float32),
        names=tuple(features),
        categorical=tuple(name for name in features if name in _LEVELS),
        treatment=treatment,
        outcome=np.where(treatment == 1, y1, y0),
        weight=np.ones(rows),
        user=row[C.USER].to_numpy(dtype=np.int64),
        unit=row[C.ASSIGNMENT_UNIT].to_numpy(dtype=np.int64),
        propensity=propensity if logged else np.full(rows, np.nan),
        true_propensity=propensity,
        mu0=truth[TruthColumns.Y0_PROBABILITY].to_numpy(dtype=np.float64),
        mu1=truth[TruthColumns.Y1_PROBABILITY].to_numpy(dtype=np.float64),
    )


def _request(logs: WorldLogs, row: pd.DataFrame) -> dict[str, NDArray[np.generic]]:
    # With it the base score says how likely the row was to be placed, whatever competed with it.
    exponentiated = np.exp(logs.candidates[C.BASE_SCORE])
    against = np.log(exponentiated.groupby(logs.candidates[C.ASSIGNMENT_UNIT]).sum())
    numbers = {name: row[name].to_numpy() for name in (C.BASE_SCORE, C.BASE_RANK)}
    return {
        **numbers,
        "request_score": against[row[C.ASSIGNMENT_UNIT]].to_numpy(),
        C.HOUR: row[C.HOUR].to_numpy(),
        C.DEVICE: _codes(row[C.DEVICE]),
        C.SESSION_SO_FAR: row[C.SESSION_SO_FAR].to_numpy(),
    }


def _covariates(logs: WorldLogs, row: pd.DataFrame) -> dict[str, NDArray[np.generic]]:
    found: dict[str, NDArray[np.generic]] = {}
    for key, table in ((C.USER, logs.users), (C.ITEM, logs.items)):
        of_row = table.set_index(key).loc[row[key]]
        for name in of_row:
            found[str(name)] = _codes(of_row[name]) if name in _LEVELS else of_row[name].to_numpy()
    return found


def _codes(words: pd.Series) -> IntArray:
    return pd.Categorical(words, categories=list(_LEVELS[str(words.name)])).codes.astype(np.int64)


def _state(logs: WorldLogs, row: pd.DataFrame) -> dict[str, NDArray[np.generic]]:
    """Count what was played and shown before each row, by user, item and pair."""
    plays, shown = logs.plays.drop_duplicates(C.PLAY), logs.impressions
    # A play counts once its event has arrived, which is never before it began.
    arrived, placed = plays[LOGGED_AT], shown[C.T0]
    items = len(logs.items)
    return {
        "user_plays": _before(plays[C.USER], arrived, key=row[C.USER], t0=row[C.T0]),
        "item_plays": _before(plays[C.ITEM], arrived, key=row[C.ITEM], t0=row[C.T0]),
        "pair_plays": _before(_pair(plays, items), arrived, key=_pair(row, items), t0=row[C.T0]),
        "pair_shown": _before(_pair(shown, items), placed, key=_pair(row, items), t0=row[C.T0]),
    }


def _pair(table: pd.DataFrame, items: int) -> pd.Series:
    pair: pd.Series = table[C.USER] * items + table[C.ITEM]
    return pair


def _before(event: pd.Series, moment: pd.Series, *, key: pd.Series, t0: pd.Series) -> IntArray:
    """Count the events of a row's key that came strictly before its t0."""
    moments, starts = _seconds(moment), _seconds(t0)
    first = min(moments.min(initial=starts.min()), starts.min())
    span = max(moments.max(initial=first), starts.max()) - first + 1
    # One number orders by key, and by moment within a key.
    events = np.sort(event.to_numpy() * span + moments - first)
    begin = key.to_numpy() * span
    count: IntArray = np.searchsorted(events, begin + starts - first) - np.searchsorted(
        events, begin
    )
    return count


def _seconds(moment: pd.Series) -> IntArray:
    return moment.to_numpy(dtype="datetime64[s]").astype(np.int64)
