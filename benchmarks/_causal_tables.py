"""From figures of every user to the table, the paired differences and the line of JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import Result
from benchmarks._causal_judge import FIGURES
from benchmarks._causal_methods import BOTH, CAP, ORACLE, OURS, OVERLAP, STACK, THEIRS, TOLD
from benchmarks._causal_speed import Speed
from benchmarks._causal_worlds import PUBLISHED
from benchmarks._spent import Spent
from causal_ranker.stats.intervals import Interval, clustered_mean
from causal_ranker.worlds.semisynthetic.statistics import PUBLISHED as PUBLISHED_WORLDS
from causal_ranker.worlds.semisynthetic.statistics import describe

if TYPE_CHECKING:
    from causal_ranker.worlds.semisynthetic.pair_world import PairWorld

__all__ = ["Judged", "compared", "search_table"]

Array = NDArray[np.float64]

_CP10, _CP100, _CDCG, _NDCG = range(len(FIGURES))
_COMPARED: Final = {"cp10": _CP10, "cdcg": _CDCG}
#: What else is compared: with outcomes of both logs on either side, and the stack.
_BESIDE: Final = ((OURS, BOTH), (STACK, THEIRS), (STACK, BOTH))
#: What the papers say: DLCE with true propensities is above these.
_BELOW: Final = ("cause", "bpr")
#: Of these they say that CP@10 is below 0 among the films.
_ACCURACY: Final = ("bpr", "mf", "popularity")


@dataclass(frozen=True)
class Judged:
    """What all methods came to on a seed of a world.

    Parameters
    ----------
    figures : dict of str to ndarray, shape (users, 4)
        By the method's name, `FIGURES` of each user.
    spent : dict of str to Spent
        By the method's name; not of the oracle.
    """

    figures: dict[str, Array]
    spent: dict[str, Spent]


def compared(found: Sequence[tuple[PairWorld, Sequence[Judged]]], *, speed: Speed | None) -> Result:
    """Put the seeds of each world together.

    Parameters
    ----------
    found : sequence of (PairWorld, sequence of Judged)
        By world, a value of each seed.
    speed : Speed, optional
        Of DLCE, where it was measured.

    Returns
    -------
    Result
        The table of all worlds, and the figures that were asked for.
    """
    rows: list[tuple[object, ...]] = []
    figures: dict[str, Any] = {}
    notes = [_NOTE] if found else []
    for world, seeds in found:
        means = _over_seeds([each.figures for each in seeds])
        lines = [
            _line(name, users, spent=[each.spent[name] for each in seeds if name in each.spent])
            for name, users in means.items()
        ]
        published = PUBLISHED.get(world.name, {})
        rows.append((world.name.upper(), *[""] * 6))
        rows += [_cells(line) for line in lines]
        rows += [
            (f"{name}, published", *(f"{value:g}" for value in values), *[""] * 3)
            for name, values in published.items()
        ]
        figures[world.name] = _asked(means) | {
            "published": dict(published),
            "statistics": dict(world.statistics),
            "published_statistics": dict(PUBLISHED_WORLDS.get(world.name, {})),
            "orders": _orders(means),
            "table": lines,
        }
        notes.append(_words(world, figures[world.name]))
    if speed is not None:
        figures |= {
            "sgd_pairs_per_s": round(speed.pairs_per_s),
            "ml1m_seconds": speed.seconds,
            "sgd_step_ns": speed.steps_ns,
            "sgd_step_near_ns": speed.near_ns,
        }
        notes.append(_fast(speed))
    return Result(
        columns=("", *FIGURES, "s", "MiB"), rows=rows, figures=figures, note="\n".join(notes)
    )


_NOTE: Final = (
    "Judged by drawn effects Y(1) - Y(0) of a third draw; means over seeds of each user, then "
    "halves of 95 % intervals over users. Estimated p is fitted to exposures. Pair models learn "
    "from the first log and keep the epoch with the best CDCG as estimated on the second, of "
    "pairs with propensities "
    f"{OVERLAP:g} and more from 0 and 1, their inverse at most {CAP:g}; by estimated "
    "propensities, whatever a method learns by. Tabular rows (dr, auto, stack) learn from "
    "outcomes of the second log what the first tells of its pairs: in time's order, as in a real "
    "log. They rank by what both logs tell, averaged. So they use outcomes of both, which 'both "
    "logs' lets DLCE do, too: a model of each, stopped by the other, averaged. Settings: the best "
    "of as many random ones for each method on a seed that is not among these, by the same "
    "estimate; of bpr and mf, which are to rank by plays, by NDCG@10 on the second log. What "
    "diverges on a seed learns at half the rate. Rows that are told have the settings and epochs "
    "that are best by the truth of the second draw, as papers could choose them. Seconds: of a "
    "core; what is estimated or described first is counted in. MiB: the peak beyond the logs. "
    "Published figures are of larger worlds."
)


def _over_seeds(figures: Sequence[dict[str, Array]]) -> dict[str, Array]:
    """Average each user over the seeds; one who never played has no NDCG."""
    found = {}
    for name in figures[0]:
        stacked = np.stack([each[name] for each in figures])
        there = ~np.isnan(stacked)
        total = np.where(there, stacked, 0).sum(axis=0)
        count = there.sum(axis=0)
        found[name] = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return found


def _line(name: str, users: Array, *, spent: Sequence[Spent]) -> dict[str, Any]:
    line: dict[str, Any] = {"method": name}
    for place, figure in enumerate(FIGURES):
        interval = _interval(users[:, place])
        line[figure] = [interval.point, interval.low, interval.high]
    line["seconds"] = float(np.mean([each.seconds for each in spent])) if spent else None
    line["peak_mb"] = float(np.max([each.peak for each in spent])) if spent else None
    return line


def _interval(values: Array) -> Interval:
    told = values[~np.isnan(values)]
    return clustered_mean(told, np.arange(told.size))


def _asked(means: Mapping[str, Array]) -> dict[str, Any]:
    ours, theirs = means[OURS], means[THEIRS]
    lowest, highest = means["random"][:, _CDCG].mean(), means[ORACLE][:, _CDCG].mean()
    found = {"oracle_gain_share": float((ours[:, _CDCG].mean() - lowest) / (highest - lowest))}
    for name, place in _COMPARED.items():
        found |= {
            f"ours_{name}": float(ours[:, place].mean()),
            f"dlce_true_{name}": float(theirs[:, place].mean()),
        }
    beside = {f"{one}, over {other}": _gaps(means, one, other) for one, other in _BESIDE}
    return found | _gaps(means, OURS, THEIRS) | {"beside": beside}


def _gaps(means: Mapping[str, Array], one: str, other: str) -> dict[str, float]:
    """Return paired differences, and the lower ends of their intervals."""
    found: dict[str, float] = {}
    for name, place in _COMPARED.items():
        gap = _interval(means[one][:, place] - means[other][:, place])
        found |= {f"{name}_diff": gap.point, f"{name}_diff_low": gap.low}
    return found


def _orders(means: Mapping[str, Array]) -> dict[str, list[float]]:
    """Return differences that the papers tell the sign of, with their intervals."""
    above = [(THEIRS, other) for other in _BELOW] + [(TOLD[0], other) for other in (TOLD[1], "bpr")]
    gaps = {
        f"{one}, over {other}: {FIGURES[place]}": means[one][:, place] - means[other][:, place]
        for one, other in above
        for place in (_CP10, _CDCG)
    }
    gaps |= {f"{name}: CP@10": means[name][:, _CP10] for name in _ACCURACY}
    told = {name: _interval(values) for name, values in gaps.items()}
    return {name: [each.point, each.low, each.high] for name, each in told.items()}


def _cells(line: Mapping[str, Any]) -> tuple[object, ...]:
    cells: list[object] = [line["method"]]
    for figure, digits in zip(FIGURES, (4, 4, 3, 3), strict=True):
        point, low, high = line[figure]
        half = "" if figure == "NDCG@10" else f" ±{(high - low) / 2:.{digits}f}"
        cells.append(f"{point:.{digits}f}{half}")
    for name, form in (("seconds", ".1f"), ("peak_mb", ".0f")):
        cells.append("" if line[name] is None else format(line[name], form))
    return tuple(cells)


def _words(world: PairWorld, asked: Mapping[str, Any]) -> str:
    orders = "; ".join(
        f"{name} {point:+.3f} ({low:+.3f} to {high:+.3f})"
        for name, (point, low, high) in asked["orders"].items()
    )
    told = {f"{OURS}, over {THEIRS}": asked, **asked["beside"]}
    gaps = "; ".join(
        f"{name}: CP@10 {gap['cp10_diff']:+.4f} (at least {gap['cp10_diff_low']:+.4f}), CDCG "
        f"{gap['cdcg_diff']:+.3f} (at least {gap['cdcg_diff_low']:+.3f})"
        for name, gap in told.items()
    )
    return (
        f"{describe(world)}\n{gaps}. {asked['oracle_gain_share']:.0%} of the oracle's gain in CDCG "
        f"over random. Published signs: {orders}."
    )


def _fast(speed: Speed) -> str:
    return (
        f"DLCE, 100 factors, one core: {speed.pairs_per_s / 1e6:.1f} million pairs a second "
        f"({1e9 / speed.pairs_per_s:.0f} ns a pair: steps {speed.steps_ns:.0f} ns, of which "
        f"{speed.near_ns:.0f} ns where memory does not keep them waiting; draws the rest); on a "
        f"log of {speed.users} users, {speed.items} items, {speed.exposures} exposures and "
        f"{speed.plays} plays (as large as MovieLens-1M) {speed.seconds:.0f} s to its early stop "
        f"after {speed.epochs} epochs."
    )


def search_table(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Result:
    """Tell what a search chose.

    Parameters
    ----------
    found : mapping of str to mapping
        By world and method, "settings", "value" and, of some, "epochs".

    Returns
    -------
    Result
        A row for each world and method.
    """
    return Result(
        columns=("world", "method", "value", "epochs", "settings"),
        rows=[
            (
                world,
                method,
                f"{best['value']:.3f}",
                best.get("epochs", ""),
                ", ".join(f"{name} {value}" for name, value in best["settings"].items()),
            )
            for world, methods in found.items()
            for method, best in methods.items()
        ],
        figures={"chosen": found},
        note="Value: CDCG as estimated on the second log of a seed that no result is told of; of "
        "bpr and mf NDCG@10 of its plays.",
    )
