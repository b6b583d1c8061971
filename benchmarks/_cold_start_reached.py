"""What others measured on the same split, and what of the issue's reaches the figures keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["REFERENCE", "Frontiers", "reached"]

Figures = Mapping[str, Mapping[str, Any]]
#: By method, pairs of NDCG@15 and mean gain of the 10 % worst items.
Frontiers = Mapping[str, Sequence[tuple[float, float]]]

#: NDCG@15, NDCG@30, mean gain and that of the 10 % worst items, on one thread of another machine.
REFERENCE: Final[Mapping[tuple[str, str], tuple[float | None, ...]]] = {
    ("dropoutnet", "base"): (0.5489, 0.5316, 0.0553, 0.0),
    ("dropoutnet", "scale"): (0.5331, 0.5166, 0.0773, 0.0019),
    ("dropoutnet", "gen"): (0.5371, 0.5203, 0.0730, 0.0069),
    ("dropoutnet", "scale_fast"): (0.5451, None, None, 0.0027),
    ("dropoutnet", "gen_fast"): (0.5367, None, None, 0.0080),
    ("deepmusic", "base"): (0.5312, 0.5167, 0.0573, 0.0),
    ("deepmusic", "scale"): (0.5219, 0.5091, 0.0668, 0.0001),
    ("deepmusic", "gen"): (0.5236, 0.5093, 0.0644, 0.0002),
    ("deepmusic", "scale_fast"): (0.5211, None, None, 0.0026),
}
_NAMES: Final = ("ndcg15", "ndcg30", "mdg_mean", "mdg_min10")
_EXACT: Final = 1e-4
#: Between seeds NDCG@15 moves by less than this, and the gain of the worst by the other.
_NOISE: Final = (0.003, 0.001)
#: A tenth of what each of five experts has where all are used alike.
_LEAST_EXPERT: Final = 0.02
_MOST_SECONDS: Final = {"gen": 120.0, "scale_fast": 5.0, "gen_fast": 15.0}
_TRAINED: Final = ("knn", "deepmusic", "dropoutnet", "heater")
_BASELINES: Final = ("random", "genre_popularity")


def reached(
    figures: Mapping[str, Figures], *, frontiers: Mapping[str, Frontiers]
) -> dict[str, bool]:
    """Compare figures with what is to be reached.

    Parameters
    ----------
    figures : mapping
        Those of the benchmark, whole or of some of its parts.
    frontiers : mapping
        By embeddings, what each method reaches at its strengths on the test items.

    Returns
    -------
    dict of str to bool
        By what was to be reached.
    """
    found: dict[str, bool] = {}
    for name in ("dropoutnet", "deepmusic"):
        if name in figures:
            of = _of_embeddings(name, figures[name], frontiers=frontiers[name])
            found |= {f"{name}: {goal}": kept for goal, kept in of.items()}
    if "trained" in figures:
        found |= _of_training(figures["trained"])
    return found


def _of_embeddings(name: str, methods: Figures, *, frontiers: Frontiers) -> dict[str, bool]:
    found: dict[str, bool] = {}
    wanted = zip(_NAMES, REFERENCE[name, "base"], strict=True)
    found["base equals the reference"] = all(
        value is not None and abs(methods["base"][key] - value) <= _EXACT for key, value in wanted
    )
    for method in ("scale", "gen"):
        ours, theirs = _point(methods[method]), REFERENCE[name, method]
        found[f"{method} within noise of the reference"] = all(
            each is not None and abs(own - each) <= noise
            for own, each, noise in zip(ours, (theirs[0], theirs[3]), _NOISE, strict=True)
        )
        # At strengths that validation items chose, by one rule for all (NDCG@15 may fall by 3 %)
        # and by what the autoencoder lost on them; and whatever strengths are chosen.
        found[f"{method}_fast beats {method} in both"] = _beats(
            _point(methods[f"{method}_fast"]), ours
        )
        matched = _point(methods[f"{method}_fast_matched"])
        found[f"{method}_fast beats {method} in both, at its loss on validation"] = _beats(
            matched, ours
        )
        found[f"{method}_fast's frontier above {method}'s"] = all(
            any(_beats(fast, point) for fast in frontiers[f"{method}_fast"])
            for point in frontiers[method]
        )
    for method, most in _MOST_SECONDS.items():
        found[f"{method} in {most:g} s of one core"] = methods[method]["cpu_seconds"] <= most
    rows = [row for (of, _), row in REFERENCE.items() if of == name]
    best = [max(row[at] or 0.0 for row in rows) for at in (0, 3)]
    found["two_tiers beats every row of the reference in both"] = all(
        own > each for own, each in zip(_point(methods["two_tiers"]), best, strict=True)
    )
    return found


def _of_training(models: Figures) -> dict[str, bool]:
    lengths = ("ndcg15", "ndcg30")
    found = {
        f"trained: {name} beats {baseline}": all(
            models[name][key] > models[baseline][key] for key in lengths
        )
        for name in _TRAINED
        for baseline in _BASELINES
    }
    heater = models["heater"]
    found["trained: heater learns"] = (
        heater["loss_last"] < heater["loss_first"] and heater["expert_least"] > _LEAST_EXPERT
    )
    return found


def _point(of: Mapping[str, Any]) -> tuple[float, float]:
    return of["ndcg15"], of["mdg_min10"]


def _beats(own: tuple[float, float], other: tuple[float, float]) -> bool:
    """Equal or better utility, and better fairness."""
    return own[0] >= other[0] and own[1] > other[1]
