"""Labels for every candidate row, by one clock for both arms."""

from __future__ import annotations

from datetime import UTC
from typing import Any, Final, Literal, Self

import ibis
from pydantic import AwareDatetime, Field, field_validator

from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.attribution.windows import qualified_plays
from causal_ranker.columns import Columns as C
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError
from causal_ranker.labels.availability import with_bounds
from causal_ranker.labels.censoring import weigh_determined
from causal_ranker.labels.dataset import UpliftDataset
from causal_ranker.labels.kinds import HELPERS, with_kind
from causal_ranker.labels.outcome import next_play
from causal_ranker.logs.clock import LONGEST_HOURS, span
from causal_ranker.logs.contract import check_same_ids
from causal_ranker.logs.flags import zero_or_one
from causal_ranker.logs.rules import require_columns

__all__ = ["LabelConfig", "collect_labels"]

# What a candidate carries through, besides the context the caller vouches for. Anything else
# stays behind: it might have been written after t0, and would leak.
_CARRIED: Final = (
    C.SURFACE,
    C.PROPENSITY,
    C.BASE_SCORE,
    C.BASE_RANK,
    C.ASSIGNMENT_UNIT,
    C.HOUR,
    C.DEVICE,
    C.SESSION_SO_FAR,
)

# What labels write, and the helper columns they write it with.
_RESERVED: Final = HELPERS.union(
    {
        C.USER,
        C.ITEM,
        C.T0,
        C.HORIZON_END,
        C.TREATMENT,
        C.OUTCOME,
        C.LABEL_KIND,
        C.SAMPLING_WEIGHT,
        C.CENSORING_WEIGHT,
        C.ANALYSIS_WEIGHT,
        "next_play",
    }
)


class LabelConfig(FrozenConfig):
    """How rows get their outcome.

    Parameters
    ----------
    log_end : datetime
        The end of the play log (excluded), with a time zone.
    horizon_hours : float, optional
        Length of the horizon from t0, used when the candidates have no ``horizon_end``.
    minimum_seconds : float, default 0
        A play shorter than this does not count. A play of unknown length does.
    minimum_fraction : float, default 0
        A play of a smaller share of the item does not count. A play of unknown share does.
    leave_out_bots : bool, default False
        Plays that the column ``is_bot`` marks do not count. Unknown is no bot.
    minimum_viewable_ms : float, default 0
        Of ``label_kind``: an impression in view for less than this, or for no time at all, was not
        viewable.
    unknown_viewability : {"viewable", "hidden"}, default "viewable"
        Of ``label_kind``: what a row counts as if no column of its impressions knows.
    censoring : {"drop", "weight"}, default "drop"
        Rows whose horizon ends after the log: leave all of them out, or keep those whose outcome is
        determined by a play and weight (see `causal_ranker.labels.censoring`).
    censoring_cohort_hours : float, default 24
        Rows whose t0 lies in one stretch of this length are weighed against each other.
    censoring_least_complete : float, default 0.1
        Leave a cohort out whole when a smaller share of its rows has its horizon inside the log.
    context : tuple of str
        Further columns of the candidate log that were known before t0 and pass through.

    Raises
    ------
    ConfigError
        If a value is out of its bounds, ``log_end`` has no time zone, or the context names a
        column that labels write.
    """

    log_end: AwareDatetime
    horizon_hours: float | None = Field(default=None, gt=0, le=LONGEST_HOURS)
    minimum_seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    minimum_fraction: float = Field(default=0.0, ge=0, le=1)
    leave_out_bots: bool = False
    minimum_viewable_ms: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    unknown_viewability: Literal["viewable", "hidden"] = "viewable"
    censoring: Literal["drop", "weight"] = "drop"
    censoring_cohort_hours: float = Field(default=24.0, ge=1 / 3600, allow_inf_nan=False)
    censoring_least_complete: float = Field(default=0.1, gt=0, le=1)
    context: tuple[str, ...] = ()

    @field_validator("context")
    @classmethod
    def _leave_labels(cls, context: tuple[str, ...]) -> tuple[str, ...]:
        taken = _RESERVED.intersection(context)
        if taken:
            raise ValueError(f"labels write {', '.join(sorted(taken))} themselves")
        return context

    @classmethod
    def following(cls, attribution: AttributionConfig, **others: Any) -> Self:
        """Take over what attribution says of single plays and impressions.

        Parameters
        ----------
        attribution : AttributionConfig
            Says which plays qualify, and which impressions were viewable.
        **others : Any
            The other settings of labels.

        Returns
        -------
        LabelConfig
            Settings under which a play that cannot be credited is no outcome either.

        Raises
        ------
        ConfigError
            If one of the other settings is out of its bounds.
        """
        return cls(
            minimum_seconds=attribution.minimum_seconds,
            minimum_fraction=attribution.minimum_fraction,
            leave_out_bots=attribution.leave_out_bots,
            minimum_viewable_ms=attribution.minimum_viewable_ms,
            unknown_viewability=attribution.unknown_viewability,
            **others,
        )


def collect_labels(
    candidates: ibis.Table,
    impressions: ibis.Table,
    plays: ibis.Table,
    *,
    credits: ibis.Table,
    config: LabelConfig,
    items: ibis.Table | None = None,
) -> UpliftDataset:
    """Turn candidate rows into rows an uplift model may be trained on.

    One row per (user, item, t0) whose horizon ends inside the log; T = placed in the slate,
    Y = a qualified play of the item by the user on *any* surface in ``[t0, horizon_end)``,
    whatever attribution says. A row whose horizon ends after the log is censored: it is left
    out even if a play was already seen, and counted; with ``censoring="weight"`` rows that a play
    determined stay, with weights for those that had no time to. So rows in = rows out + censored.

    Parameters
    ----------
    candidates : ibis.Table
        Candidate log that passed `causal_ranker.logs.contract.check_candidates`, or what
        `causal_ranker.labels.controls.sample_controls` made where there is none.
    impressions : ibis.Table
        Impression log; read for ``viewable`` and ``viewable_ms`` only, where it has those columns.
    plays : ibis.Table
        Play log, all surfaces.
    credits : ibis.Table
        What `causal_ranker.attribution.attribute.attribute` returned; used for ``label_kind``
        only.
    config : LabelConfig
        Horizon, end of the log, qualified plays.
    items : ibis.Table, optional
        Item table, one row per ``item_id``; read for ``available_from`` (included) and
        ``available_until`` (excluded) only, where it has those columns: an item that was not there
        at t0 is no true negative. Like viewability it enters ``label_kind`` and nothing else.

    Returns
    -------
    UpliftDataset
        The rows, lazily.

    Raises
    ------
    ConfigError
        If the candidates have no ``horizon_end`` and no horizon is given.
    SchemaError
        If a column is missing, ids differ in type between the tables, or a bound of availability
        is no instant.
    """
    tables = {"candidates": candidates, "impressions": impressions, "plays": plays}
    check_same_ids(tables if items is None else {**tables, "items": items})
    rows = _rows(candidates, config)
    played = qualified_plays(
        plays,
        minimum_seconds=config.minimum_seconds,
        minimum_fraction=config.minimum_fraction,
        leave_out_bots=config.leave_out_bots,
    )
    end = config.log_end.astimezone(UTC)
    if config.censoring == "weight":
        kept, censored = weigh_determined(
            next_play(rows, played),
            log_end=end,
            cohort_hours=config.censoring_cohort_hours,
            least_complete=config.censoring_least_complete,
        )
        censored = censored.drop("next_play")
    else:
        censored = rows.filter(rows[C.HORIZON_END] > ibis.literal(end))
        complete = rows.filter(rows[C.HORIZON_END] <= ibis.literal(end))
        one = ibis.literal(1).cast("float64")
        kept = next_play(complete, played).mutate(**{C.CENSORING_WEIGHT: one})
    kinds = with_kind(
        _with_outcome(kept),
        impressions,
        credits,
        items=None if items is None else with_bounds(items),
        minimum_viewable_ms=config.minimum_viewable_ms,
        unknown_is_viewable=config.unknown_viewability == "viewable",
    )
    return UpliftDataset(
        table=_in_order(kinds),
        censored=censored,
        weighed=config.censoring == "weight",
        sampled_controls=C.SAMPLING_WEIGHT in candidates.columns,
        exposures=impressions.select(C.USER, C.ITEM, C.T0),
    )


def _rows(candidates: ibis.Table, config: LabelConfig) -> ibis.Table:
    if C.HORIZON_END in candidates.columns:
        end = candidates[C.HORIZON_END]
    elif config.horizon_hours is not None:
        end = candidates[C.T0] + span(config.horizon_hours * 3600)
    else:
        raise ConfigError(
            expected="a horizon for every row",
            came="candidates without the column 'horizon_end', and horizon_hours not set",
            do="Set horizon_hours, or add horizon_end to the candidates.",
        )
    require_columns(candidates, config.context, name="candidates")
    wanted = dict.fromkeys((*_CARRIED, *config.context))
    carried = [column for column in wanted if column in candidates.columns]
    weight = (
        candidates[C.SAMPLING_WEIGHT].cast("float64")
        if C.SAMPLING_WEIGHT in candidates.columns
        else ibis.literal(1).cast("float64")
    )
    return candidates.select(
        C.USER,
        C.ITEM,
        C.T0,
        **{
            C.HORIZON_END: end,
            C.TREATMENT: zero_or_one(candidates[C.SHOWN], "int8"),
            C.SAMPLING_WEIGHT: weight,
        },
        **{column: candidates[column] for column in carried},
    )


def _with_outcome(timed: ibis.Table) -> ibis.Table:
    inside = (timed.next_play < timed[C.HORIZON_END]).fill_null(False)
    return timed.mutate(**{C.OUTCOME: zero_or_one(inside, "int8")}).drop("next_play")


def _in_order(rows: ibis.Table) -> ibis.Table:
    carried = [column for column in rows.columns if column not in _RESERVED]
    return rows.select(
        C.USER,
        C.ITEM,
        C.T0,
        C.HORIZON_END,
        C.TREATMENT,
        C.OUTCOME,
        C.LABEL_KIND,
        C.SAMPLING_WEIGHT,
        C.CENSORING_WEIGHT,
        **{C.ANALYSIS_WEIGHT: rows[C.SAMPLING_WEIGHT] * rows[C.CENSORING_WEIGHT]},
        **{column: rows[column] for column in carried},
    )
