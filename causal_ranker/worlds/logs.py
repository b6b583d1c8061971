"""The world's logs in the contract's form, and the truth beside them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.covariates import item_table, user_table
from causal_ranker.worlds.plays import SURFACES, Plays
from causal_ranker.worlds.rows import RequestRows, in_time_order
from causal_ranker.worlds.substitutes import effect_on_total
from causal_ranker.worlds.tastes import Population
from causal_ranker.worlds.visits import DEVICES, HOUR, Habits

__all__ = ["LOGGED_AT", "TruthColumns", "WorldLogs", "write_logs"]

IntArray = NDArray[np.int64]

LOGGED_AT: Final = "logged_at"
_USUAL_LAG = 60  # seconds at most, from a play to its event
_LATE_HOURS = 24.0  # mean lag of a late event


class TruthColumns:
    """Names of the columns that only a world can fill; see `WorldLogs`."""

    TAU: Final = "tau"
    TOTAL_TAU: Final = "total_tau"
    Y0_PROBABILITY: Final = "y0_probability"
    Y1_PROBABILITY: Final = "y1_probability"
    Y0: Final = "y0"
    Y1: Final = "y1"
    Y_EXAMINED: Final = "y_examined"
    EXAMINED_TO: Final = "examined_to"
    EFFECT_IF_EXAMINED: Final = "effect_if_examined"
    ATTENTION: Final = "attention"
    SCROLL: Final = "scroll"


@dataclass(frozen=True)
class WorldLogs:
    """Logs in the contract's form, and the truth. All timestamps are in UTC.

    Parameters
    ----------
    impressions : pandas.DataFrame
        One row per placed item; `propensity` is the conditional one of its slot, `viewable`
        says whether the slot came into view.
    plays : pandas.DataFrame
        One row per event, in order of arrival (`logged_at`): late events are out of order in
        `played_at`. Two rows share a `play_id` only if `duplicate_share` is above 0.
    candidates : pandas.DataFrame
        One row per candidate of each request; `propensity` is the inclusion propensity,
        P(placed in the slate). Slates are drawn per request, the `assignment_unit`.
    users, items : pandas.DataFrame
        Covariates, noisy views of the latent traits.
    truth : pandas.DataFrame
        Row by row beside `candidates`: `y0_probability` and `y1_probability`, of a play on any
        surface in [t0, t0 + h) without and with placement, everything else at its natural
        course (the slot as the logging policy draws it, given placement); `tau`, their
        difference; `total_tau`, what placement adds, against an empty slot, to the number of
        titles that the user plays in the horizon: `tau` where nothing is cannibalised; `y0` and
        `y1` as drawn (`Y = y1` where shown, else `y0`); and what a replay needs: `y_examined`,
        `examined_to`, `effect_if_examined`, `attention`, `scroll` (see
        `causal_ranker.worlds.outcomes`).
    log_end : datetime
        End of the log; no play at or after it is in it. Rows with a later `horizon_end` are
        censored in the logs, and have their truth all the same.
    """

    impressions: pd.DataFrame
    plays: pd.DataFrame
    candidates: pd.DataFrame
    users: pd.DataFrame
    items: pd.DataFrame
    truth: pd.DataFrame
    log_end: datetime

    def split(self, *, last_days: float) -> tuple[WorldLogs, WorldLogs]:
        """Cut the logs some days before their end, each event by its own clock.

        Requests go by their t0, plays by when they began. Rows of the first stretch whose horizon
        ends after the cut are censored in it, as they would have been that day.

        Parameters
        ----------
        last_days : float
            Length of the later stretch, in days.

        Returns
        -------
        tuple of WorldLogs
            The earlier stretch, which ends at the cut, and the later one; users and items are in
            both.
        """
        cut = self.log_end - timedelta(days=last_days)
        clocks = {"impressions": C.T0, "plays": C.PLAYED_AT, "candidates": C.T0, "truth": C.T0}
        tables = {name: (getattr(self, name), clock) for name, clock in clocks.items()}
        earlier = {name: table[table[clock] < cut] for name, (table, clock) in tables.items()}
        later = {name: table[table[clock] >= cut] for name, (table, clock) in tables.items()}
        return replace(self, **earlier, log_end=cut), replace(self, **later)


def write_logs(
    config: WorldConfig,
    population: Population,
    *,
    habits: Habits,
    arrival: IntArray,
    blocks: list[RequestRows],
    plays: Plays,
    rng: np.random.Generator,
) -> WorldLogs:
    """Write logs and truth as tables.

    Parameters
    ----------
    config : WorldConfig
        The world's settings.
    population : Population
        Traits, seen through noise in the tables of users and items.
    habits : Habits
        Of users.
    arrival : ndarray of int, shape (items,)
        When each item came, in seconds since 1970 (UTC).
    blocks : list of RequestRows
        All requests.
    plays : Plays
        All plays, those after the end of the log included.
    rng : numpy.random.Generator
        For watch times, arrival of events and noise in covariates.

    Returns
    -------
    WorldLogs
        The tables.
    """
    rows = in_time_order(blocks, per_request=config.candidates)
    log_end = config.start.astimezone(UTC) + timedelta(days=config.days)
    items = item_table(population, rng)
    if config.new_share:
        known = arrival > int(config.start.timestamp())
        items[C.AVAILABLE_FROM] = _utc(arrival).where(known)
    return WorldLogs(
        impressions=_impressions(rows),
        plays=_plays(plays, config, end=log_end, minutes=items["minutes"].to_numpy(), rng=rng),
        candidates=_candidates(rows, config),
        users=user_table(population, habits, rng=rng),
        items=items,
        truth=_truth(rows, config),
        log_end=log_end,
    )


def _utc(seconds: IntArray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex((seconds * 1_000_000).view("datetime64[us]"), tz="UTC")


def _names(names: tuple[str, ...], code: IntArray) -> pd.Series:
    return pd.Series(np.array(names)[code], dtype="str")


def _request(rows: RequestRows, config: WorldConfig) -> IntArray:
    return np.arange(rows.user.size) // config.candidates


def _candidates(rows: RequestRows, config: WorldConfig) -> pd.DataFrame:
    horizon = round(config.horizon_hours * HOUR)
    return pd.DataFrame(
        {
            C.USER: rows.user,
            C.ITEM: rows.item,
            C.T0: _utc(rows.t0),
            C.HORIZON_END: _utc(rows.t0 + horizon),
            C.SHOWN: rows.position > 0,
            C.PROPENSITY: rows.inclusion,
            C.BASE_SCORE: rows.score,
            C.BASE_RANK: rows.base_rank,
            C.HOUR: rows.hour,
            C.DEVICE: _names(DEVICES, rows.device),
            C.SESSION_SO_FAR: rows.session_so_far,
            C.ASSIGNMENT_UNIT: _request(rows, config),
        }
    )


def _impressions(rows: RequestRows) -> pd.DataFrame:
    placed = np.flatnonzero(rows.position)
    # slots of one request in order of position
    placed = placed[np.lexsort((rows.position[placed], rows.user[placed], rows.t0[placed]))]
    return pd.DataFrame(
        {
            C.IMPRESSION: np.arange(placed.size),
            C.USER: rows.user[placed],
            C.ITEM: rows.item[placed],
            C.T0: _utc(rows.t0[placed]),
            C.POSITION: rows.position[placed],
            C.PROPENSITY: rows.conditional[placed],
            C.SURFACE: pd.Series(np.full(placed.size, SURFACES[0]), dtype="str"),
            C.VIEWABLE: rows.viewable[placed],
            C.BASE_SCORE: rows.score[placed],
            C.HOUR: rows.hour[placed],
            C.DEVICE: _names(DEVICES, rows.device[placed]),
            C.SESSION_SO_FAR: rows.session_so_far[placed],
        }
    )


def _truth(rows: RequestRows, config: WorldConfig) -> pd.DataFrame:
    columns = TruthColumns
    tau = rows.y1_probability - rows.y0_probability
    return pd.DataFrame(
        {
            C.USER: rows.user,
            C.ITEM: rows.item,
            C.T0: _utc(rows.t0),
            C.ASSIGNMENT_UNIT: _request(rows, config),
            columns.TAU: tau,
            columns.TOTAL_TAU: effect_on_total(tau, config),
            columns.Y0_PROBABILITY: rows.y0_probability,
            columns.Y1_PROBABILITY: rows.y1_probability,
            columns.Y0: rows.y0.astype(np.int8),
            columns.Y1: rows.y1.astype(np.int8),
            columns.Y_EXAMINED: rows.y_examined.astype(np.int8),
            columns.EXAMINED_TO: rows.examined_to,
            columns.EFFECT_IF_EXAMINED: rows.effect,
            columns.ATTENTION: rows.attention,
            columns.SCROLL: rows.scroll,
        }
    )


def _plays(
    plays: Plays, config: WorldConfig, *, end: datetime, minutes: IntArray, rng: np.random.Generator
) -> pd.DataFrame:
    within = np.flatnonzero(plays.played_at < int(end.timestamp()))
    within = within[np.lexsort((plays.item[within], plays.user[within], plays.played_at[within]))]
    count = within.size
    # at least a minute of at least half an hour: every play qualifies by any sensible minimum
    watched = 60 * minutes[plays.item[within]] * rng.beta(2.0, 1.5, count)
    lag = rng.integers(1, _USUAL_LAG + 1, count)
    late = rng.random(count) < config.late_share
    lag[late] += (HOUR * (1 + rng.exponential(_LATE_HOURS - 1, int(late.sum())))).astype(np.int64)
    twice = np.flatnonzero(rng.random(count) < config.duplicate_share)
    event = np.concatenate([np.arange(count), twice])
    logged = plays.played_at[within][event] + lag[event]
    logged[count:] += rng.integers(1, HOUR, twice.size)
    event, logged = event[np.argsort(logged, kind="stable")], np.sort(logged, kind="stable")
    return pd.DataFrame(
        {
            C.PLAY: event,
            C.USER: plays.user[within][event],
            C.ITEM: plays.item[within][event],
            C.PLAYED_AT: _utc(plays.played_at[within][event]),
            C.SURFACE: _names(SURFACES, plays.surface[within][event]),
            C.SECONDS: np.maximum(watched, 60.0)[event],
            LOGGED_AT: _utc(logged),
        }
    )
