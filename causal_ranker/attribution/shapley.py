"""Learn from the logs how surfaces share credit: Shapley values of their play rates.

At each impression, the surfaces on which the item was shown to the user within the attribution
window form a set. ``v(A)`` is the share of the impressions with set ``A`` that were the last one
before a play. A surface's share of the credit for a play that the set ``S`` led to is its Shapley
value in the game ``v`` on the subsets of ``S``: what it adds to the play rate, averaged over the
orders in which the surfaces of ``S`` may have come.

Sources: Shapley (1953), "A value for n-person games"; Zhao, Mahboobi and Bagheri (2018), "Shapley
value methods for attribution modeling in online advertising", arXiv:1804.05327.

Limits, which are those of every touch model that is learned from observed paths:

- It describes who was there when plays happened. Surfaces choose their users, so a share is no
  effect of a surface; credit never enters an outcome here.
- Plays without any impression are organic and take no part: the rate without exposure is not in
  these logs, so ``v`` of the empty set is 0.
- A rate that falls when a surface is added would give negative credit. ``v`` is replaced by the
  largest rate among the subsets that were seen often enough, which never falls.
- Shares say what happened in the stretch they were learned from. Where credit is to say nothing of
  what came later (as in features), learn them from an earlier stretch.
- The number of sets doubles with each surface: at most eight.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations
from math import factorial

import ibis

from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.attribution.shares import (
    MOST_SURFACES,
    NO_SURFACE,
    SurfaceSet,
    SurfaceShares,
)
from causal_ranker.attribution.touch import last_touch
from causal_ranker.attribution.windows import (
    eligible_impressions,
    eligible_pairs,
    qualified_plays,
)
from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError, EmptyError
from causal_ranker.logs.contract import check_same_ids
from causal_ranker.logs.flags import zero_or_one
from causal_ranker.logs.rules import require_columns
from causal_ranker.logs.sources import reading

__all__ = ["learn_surface_shares", "shapley_values"]

_NAME, _MASK = "surface_name", "surface_mask"

#: A set of surfaces.
_Set = frozenset[str]


def learn_surface_shares(
    impressions: ibis.Table,
    plays: ibis.Table,
    *,
    config: AttributionConfig,
    log_end: datetime,
    fewest_paths: int = 100,
) -> SurfaceShares:
    """Learn each surface's share of credit from what was shown and played.

    Parameters
    ----------
    impressions, plays : ibis.Table
        Logs that passed their contract; the impressions have a ``surface``.
    config : AttributionConfig
        Windows and rules. Its touch model plays no part.
    log_end : datetime
        End of the play log, with a time zone. Impressions whose window (of viewing, or of the
        click they had) is still open then have led to nothing yet, and are left out.
    fewest_paths : int, default 100
        Sets that were seen at fewer impressions have no rate of their own.

    Returns
    -------
    SurfaceShares
        For ``AttributionConfig(touch="shapley", surface_shares=...)``: every set of surfaces that
        was seen, and all its subsets.

    Raises
    ------
    SchemaError
        If the impressions have no ``surface``, a column that the config needs is missing, or ids
        differ in type between the logs.
    DataError
        If the rows cannot be read.
    EmptyError
        If no impression's window has closed by `log_end`.
    ConfigError
        If there are more than eight surfaces, `log_end` has no time zone, or `fewest_paths` is
        below 1.
    """
    if fewest_paths < 1:
        raise ConfigError(
            expected="fewest_paths of at least 1", came=repr(fewest_paths), do="Raise it."
        )
    if log_end.tzinfo is None:
        raise ConfigError(
            expected="a log_end with a time zone",
            came=repr(log_end),
            do="Say where its clock stood.",
        )
    require_columns(impressions, [C.SURFACE], name="impressions")
    check_same_ids({"impressions": impressions, "plays": plays}, session=config.same_session)
    with reading("impressions and plays"):
        counts = _count_paths(impressions, plays, config=config, log_end=log_end)
    rates = {
        seen: played / paths for seen, (paths, played) in counts.items() if paths >= fewest_paths
    }
    subsets = {part for seen in counts for part in _subsets(seen) if part}
    sets = []
    for seen in sorted(subsets, key=lambda each: (len(each), sorted(each))):
        names = sorted(seen)
        values = shapley_values(seen, rates)
        total = sum(values.values())
        paths, played = counts.get(seen, (0, 0))
        sets.append(
            SurfaceSet(
                surfaces=tuple(names),
                shares=tuple(
                    values[name] / total if total > 0 else 1 / len(names) for name in names
                ),
                paths=paths,
                plays=played,
            )
        )
    return SurfaceShares(sets=tuple(sets))


def shapley_values(players: _Set, rates: dict[_Set, float]) -> dict[str, float]:
    """Divide the worth of a set among its members by the formula of Shapley (1953).

    Parameters
    ----------
    players : frozenset of str
        The members.
    rates : dict of frozenset of str to float
        Rates of sets; the worth of a set is the largest among its subsets, 0 if there is none.

    Returns
    -------
    dict of str to float
        Values, none below 0, that sum to the worth of `players`.
    """
    worth = {
        part: max((rates.get(inner, 0.0) for inner in _subsets(part)), default=0.0)
        for part in _subsets(players)
    }
    n = len(players)
    values = {}
    for name in players:
        others = players - {name}
        values[name] = sum(
            factorial(len(part))
            * factorial(n - len(part) - 1)
            / factorial(n)
            * (worth[part | {name}] - worth[part])
            for part in _subsets(others)
        )
    return values


def _subsets(names: _Set) -> list[_Set]:
    ordered = sorted(names)
    return [
        frozenset(part) for size in range(len(ordered) + 1) for part in combinations(ordered, size)
    ]


def _count_paths(
    impressions: ibis.Table, plays: ibis.Table, *, config: AttributionConfig, log_end: datetime
) -> dict[_Set, tuple[int, int]]:
    """Count impressions, and those that were the last before a play, by the surfaces seen."""
    shown = eligible_impressions(impressions, config=config)
    names = _surface_names(shown)
    if not names:
        return {}
    end = log_end.astimezone(UTC)
    longest = max([config.window_hours, *config.surface_window_hours.values()])
    closed = shown[C.T0] <= ibis.literal(end - timedelta(hours=longest))
    if config.click_window_hours is not None:
        require_columns(shown, [C.CLICKED_AT], name="impressions")
        last_click = ibis.literal(end - timedelta(hours=config.click_window_hours))
        closed &= (shown[C.CLICKED_AT] <= last_click).fill_null(True)
    # Each impression asks, as if it were a play, which impressions led to it.
    asking = shown.filter(closed).select(
        C.USER,
        C.ITEM,
        *([C.SESSION] if config.same_session else []),
        **{C.PLAY: shown[C.IMPRESSION], C.PLAYED_AT: shown[C.T0]},
    )
    at_once = config.model_copy(update={"minimum_delay_seconds": 0.0})
    paths = eligible_pairs(shown, asking, config=at_once)
    surface = shown.select(C.IMPRESSION, **{_NAME: shown[C.SURFACE].fill_null(NO_SURFACE)})
    named = paths.join(surface, C.IMPRESSION)
    bits = [zero_or_one(named[_NAME] == name).max() * 2**i for i, name in enumerate(names)]
    masks = named.group_by(C.PLAY).aggregate(**{_MASK: sum(bits[1:], bits[0])})
    played = qualified_plays(
        plays,
        minimum_seconds=config.minimum_seconds,
        minimum_fraction=config.minimum_fraction,
        leave_out_bots=config.leave_out_bots,
    )
    last = last_touch(eligible_pairs(shown, played, config=config))
    followed = last.select(C.IMPRESSION).distinct().mutate(followed=ibis.literal(1, "int64"))
    joined = masks.left_join(followed, masks[C.PLAY] == followed[C.IMPRESSION])
    counted = (
        joined.group_by(_MASK)
        .aggregate(paths=joined.count(), followed=joined.followed.fill_null(0).sum())
        .to_pyarrow()
        .to_pylist()
    )
    if not counted:
        raise EmptyError(
            expected=f"impressions whose window of {longest:g} hours has closed by {log_end}",
            came="none",
            do="Give longer logs, shorter windows, or shares that were learned before.",
        )
    return {
        frozenset(name for i, name in enumerate(names) if row[_MASK] >> i & 1): (
            int(row["paths"]),
            int(row["followed"]),
        )
        for row in counted
    }


def _surface_names(shown: ibis.Table) -> list[str]:
    column = shown[C.SURFACE].fill_null(NO_SURFACE)
    few = shown.select(**{_NAME: column}).distinct().limit(MOST_SURFACES + 1).to_pyarrow()
    names = sorted(few[_NAME].to_pylist())
    if len(names) > MOST_SURFACES:
        raise ConfigError(
            expected=f"at most {MOST_SURFACES} surfaces (their sets double with each)",
            came=f"more, e.g. {', '.join(map(repr, names[:3]))}",
            do="Give rare surfaces one name, or use another touch model.",
        )
    return names
