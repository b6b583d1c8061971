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
from causal_ranker.labels.censoring import weigh_determined
from causal_ranker.labels.dataset import UpliftDataset
from causal_ranker.labels.kinds import credited_rows, label_kind, unviewable_rows
from causal_ranker.labels.outcome import next_play
from causal_ranker.logs.clock import span
from causal_ranker.logs.contract import check_same_ids
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
_RESERVED: Final = frozenset(
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
        "first_credited",
        "unviewable",
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
    horizon_hours: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    minimum_seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    minimum_fraction: float = Field(default=0.0, ge=0, le=1)
    leave_out_bots: bool = False
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
        """Count the plays that attribution counts, and no others.

        Parameters
        ----------
        attribution : AttributionConfig
            Says which plays qualify.
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
            **others,
        )


def collect_labels(
    candidates: ibis.Table,
    impressions: ibis.Table,
    plays: ibis.Table,
    *,
    credits: ibis.Table,
    config: LabelConfig,
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
        Impression log; read for ``viewable`` only, where it has that column.
    plays : ibis.Table
        Play log, all surfaces.
    credits : ibis.Table
        What `causal_ranker.attribution.attribute.attribute` returned; used for ``label_kind``
        only.
    config : LabelConfig
        Horizon, end of the log, qualified plays.

    Returns
    -------
    UpliftDataset
        The rows, lazily.

    Raises
    ------
    ConfigError
        If the candidates have no ``horizon_end`` and no horizon is given.
    SchemaError
        If a column is missing, or ids differ in type between the logs.
    """
    check_same_ids({"candidates": candidates, "impressions": impressions, "plays": plays})
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
    labelled = _with_outcome(kept)
    return UpliftDataset(
        table=_with_kind(labelled, impressions, credits),
        censored=censored,
        weighed=config.censoring == "weight",
        sampled_controls=C.SAMPLING_WEIGHT in candidates.columns,
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
            C.TREATMENT: candidates[C.SHOWN].cast("int8"),
            C.SAMPLING_WEIGHT: weight,
        },
        **{column: candidates[column] for column in carried},
    )


def _with_outcome(timed: ibis.Table) -> ibis.Table:
    inside = (timed.next_play < timed[C.HORIZON_END]).fill_null(False)
    return timed.mutate(**{C.OUTCOME: inside.cast("int8")}).drop("next_play")


def _with_kind(rows: ibis.Table, impressions: ibis.Table, credits: ibis.Table) -> ibis.Table:
    # Both right-hand sides are unique in the key, so rows never multiply.
    key = [C.USER, C.ITEM, C.T0]
    joined = _left(rows, credited_rows(credits), key, "first_credited")
    if C.VIEWABLE in impressions.columns:
        joined = _left(joined, unviewable_rows(impressions), key, "unviewable")
        unviewable = joined.unviewable.fill_null(False)
    else:
        unviewable = ibis.literal(False)
    kind = label_kind(
        treatment=joined[C.TREATMENT],
        outcome=joined[C.OUTCOME],
        credited=(joined.first_credited < joined[C.HORIZON_END]).fill_null(False),
        unviewable=unviewable,
    )
    carried = [column for column in rows.columns if column not in _RESERVED]
    return joined.select(
        *key,
        C.HORIZON_END,
        C.TREATMENT,
        C.OUTCOME,
        **{
            C.LABEL_KIND: kind,
            C.SAMPLING_WEIGHT: joined[C.SAMPLING_WEIGHT],
            C.CENSORING_WEIGHT: joined[C.CENSORING_WEIGHT],
            C.ANALYSIS_WEIGHT: joined[C.SAMPLING_WEIGHT] * joined[C.CENSORING_WEIGHT],
        },
        **{column: joined[column] for column in carried},
    )


def _left(rows: ibis.Table, other: ibis.Table, key: list[str], column: str) -> ibis.Table:
    joined = rows.left_join(other, [rows[name] == other[name] for name in key])
    return joined.select(rows, other[column])
