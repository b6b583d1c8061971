"""Our own cold-start models on real content: film titles, years and genres."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from time import perf_counter, process_time
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks._cold_start_intervals import intervals
from benchmarks._cold_start_split import split_folder
from causal_ranker.coldstart.content import Content, ContentConfig, ContentEncoder
from causal_ranker.coldstart.deepmusic import (
    DeepMusic,
    DeepMusicConfig,
    DeepMusicRidge,
    DeepMusicRidgeConfig,
)
from causal_ranker.coldstart.dropoutnet import DropoutNet, DropoutNetConfig
from causal_ranker.coldstart.factors import FactorConfig, factorise
from causal_ranker.coldstart.heater import Heater, HeaterConfig
from causal_ranker.coldstart.knn import NearestNeighbours, NearestNeighboursConfig
from causal_ranker.coldstart.marec import MetadataAlignment, MetadataAlignmentConfig
from causal_ranker.coldstart.metrics import ListMetrics, evaluate_embeddings
from causal_ranker.coldstart.model import ColdStartModel, Validation, WarmEmbeddings
from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.training import DescentConfig
from causal_ranker.seeds import stage_rng

__all__ = ["Film", "load_films", "trained"]

Array = NDArray[np.float32]
_LENGTHS: Final = (15, 30)
_SEEDS: Final = 3
_WIDTHS: Final = (16, 32, 64)
# Titles tell less of a film than its genres and its age; chosen on validation of 0.1, 0.3 and 1.
_ENCODER: Final = ContentConfig(text_width=50, text_weight=0.3)
_DESCENT: Final = DescentConfig(epochs=25, patience=4, rate=0.02)


@dataclass(frozen=True)
class Film:
    """One side of the split: its films' content, and who liked them.

    Parameters
    ----------
    content : Content
        Title, and as categories genres and the half-decade.
    genres : sequence of sequences of str
        Genres alone.
    audience : Audience
        Positives, shape (n_users, n_films).
    """

    content: Content
    genres: Sequence[Sequence[str]]
    audience: Audience


def load_films(split: str) -> Film:
    """Read one side of the split of MovieLens-1M.

    Parameters
    ----------
    split : {"warm", "cold_vali", "cold_test"}
        Which.

    Returns
    -------
    Film
        Content and audience, films in order of their numbers.

    Raises
    ------
    FileNotFoundError
        If the data set is not where ``CAUSAL_RANKER_DATA`` says.
    """
    folder = split_folder()
    films = pd.read_parquet(folder / "items.parquet")
    films = films[films["split"] == split].sort_values("iid")
    pairs = pd.read_parquet(folder / "pairs.parquet")
    n_users = int(pairs["uid"].max()) + 1
    pairs = pairs[pairs["split"] == ("train" if split == "warm" else split)]
    genres = [str(names).split("|") for names in films["genres"]]
    told = films["title"].str.extract(r"^(?P<title>.*)\((?P<year>\d{4})\)\s*$")
    ages = [f"{int(year) // 5 * 5} to {int(year) // 5 * 5 + 4}" for year in told["year"]]
    return Film(
        content=Content(
            text=told["title"].tolist(),
            categories=[[*names, age] for names, age in zip(genres, ages, strict=True)],
        ),
        genres=genres,
        audience=Audience.from_pairs(
            pairs["uid"].to_numpy(np.int64),
            np.searchsorted(films["iid"], pairs["iid"]).astype(np.int64),
            shape=(n_users, len(films)),
        ),
    )


def trained(*, quick: bool) -> dict[str, dict[str, Any]]:
    """Train every model on warm films, and rank the films of the test split.

    Parameters
    ----------
    quick : bool
        One seed, one width of embeddings, and two short epochs of each network.

    Returns
    -------
    dict of str to dict
        By model, and for the baselines ``random`` and ``genre_popularity`` (mean number of warm
        users of a film's genres): ``seconds`` of a fit, of which the processor worked
        ``cpu_seconds``, ``recall``, ``precision`` and ``ndcg`` at 15 and 30, ``mdg_mean``,
        ``mdg_min10``, means over the seeds in ``by_seed``, and of these means ``ndcg15_interval``
        and ``mdg_min10_interval``, 95 % over users. ``factors_seconds`` and ``factors_width`` tell
        of the embeddings.
        Of networks there are the first and last loss, and of Heater the least and greatest share of
        an expert.
    """
    warm, stop, test = (load_films(split) for split in ("warm", "cold_vali", "cold_test"))
    encoder = ContentEncoder(_ENCODER).fit(warm.content)
    content, cold = encoder.transform(warm.content), encoder.transform(test.content)
    validation = Validation(encoder.transform(stop.content), stop.audience)
    found: dict[str, dict[str, Any]] = {}
    for name, baseline in (("random", _random), ("genre_popularity", _by_genre)):
        started = perf_counter()
        sides = baseline(warm, test)
        seconds = perf_counter() - started
        ranking = _ranked(*sides, audience=test.audience)
        found[name] = {**_told(ranking), **intervals(ranking), "seconds": seconds}
    embeddings, told = _embeddings(warm, content, validation, quick=quick)
    for name, (make, seeds) in _models(quick=quick).items():
        runs: list[dict[str, float]] = []
        rankings: list[ListMetrics] = []
        for seed in range(1 if quick else seeds):
            started, used = perf_counter(), process_time()
            model = make(seed).fit(embeddings, content, warm.audience, validation=validation)
            times = {"seconds": perf_counter() - started, "cpu_seconds": process_time() - used}
            rankings.append(
                _ranked(
                    model.user_embeddings(), model.item_embeddings(cold), audience=test.audience
                )
            )
            runs.append({**times, **_told(rankings[-1]), **_learned(model)})
            print(f"{name}, seed {seed}: {runs[-1]}", file=sys.stderr)
        means = {key: fmean(run[key] for run in runs) for key in runs[0]}
        found[name] = {**means, **intervals(*rankings), **told, "by_seed": runs}
    return found


def _models(*, quick: bool) -> Mapping[str, tuple[Callable[[int], ColdStartModel[Any]], int]]:
    """How to make each model from a seed, and how many seeds tell it apart from itself."""
    short = {"epochs": 2, "rows_per_epoch": 20_000} if quick else {}
    descent = _DESCENT.model_copy(update=short)
    music = DeepMusicConfig().descent.model_copy(update={"epochs": 2} if quick else {})
    return {
        "knn": (lambda _: NearestNeighbours(NearestNeighboursConfig(neighbours=20)), 1),
        "deepmusic_ridge": (lambda _: DeepMusicRidge(DeepMusicRidgeConfig(l2=10.0)), 1),
        "deepmusic": (lambda seed: DeepMusic(DeepMusicConfig(seed=seed, descent=music)), _SEEDS),
        "dropoutnet": (
            lambda seed: DropoutNet(DropoutNetConfig(seed=seed, descent=descent)),
            _SEEDS,
        ),
        "heater": (lambda seed: Heater(HeaterConfig(seed=seed, descent=descent)), _SEEDS),
        "metadata_alignment": (lambda _: MetadataAlignment(MetadataAlignmentConfig()), 1),
    }


def _embeddings(
    warm: Film, content: Array, validation: Validation, *, quick: bool
) -> tuple[WarmEmbeddings, dict[str, float]]:
    """Factorise at several widths; validation, by way of the ridge, says which to take."""
    started = perf_counter()
    best = None
    for width in _WIDTHS[:1] if quick else _WIDTHS:
        tried = factorise(warm.audience, config=FactorConfig(width=width))
        model = DeepMusicRidge().fit(tried, content, warm.audience)
        ranking = _ranked(
            model.user_embeddings(),
            model.item_embeddings(validation.content),
            audience=validation.audience,
        )
        ndcg = ranking.utility[30].ndcg
        if best is None or ndcg > best[0]:
            best = ndcg, width, tried
    assert best is not None  # there is a width
    seconds = perf_counter() - started
    return best[2], {"factors_seconds": seconds, "factors_width": float(best[1])}


def _ranked(users: Array, items: Array, *, audience: Audience) -> ListMetrics:
    return evaluate_embeddings(users, items, audience=audience, lengths=_LENGTHS)


def _told(metrics: ListMetrics) -> dict[str, float]:
    figures: dict[str, float] = {}
    for length, utility in metrics.utility.items():
        figures |= {
            f"recall{length}": utility.recall,
            f"precision{length}": utility.precision,
            f"ndcg{length}": utility.ndcg,
        }
    fairness = metrics.fairness
    return {**figures, "mdg_mean": fairness.mean, "mdg_min10": fairness.lowest[10]}


def _learned(model: ColdStartModel[Any]) -> dict[str, float]:
    if "history" not in model.state_:
        return {}
    losses = model.state_["history"][:, 0]
    told = {"epochs": len(losses), "loss_first": losses[0], "loss_last": losses[-1]}
    if isinstance(model, Heater):
        told |= {"expert_least": model.expert_use_.min(), "expert_most": model.expert_use_.max()}
    return {key: float(value) for key, value in told.items()}


def _random(_: Film, test: Film) -> tuple[Array, Array]:
    n_users, n_films = test.audience.matrix.shape
    rng = stage_rng(0, "random")
    width = 64
    users, films = (rng.normal(size=(count, width)) for count in (n_users, n_films))
    return users.astype(np.float32), films.astype(np.float32)


def _by_genre(warm: Film, test: Film) -> tuple[Array, Array]:
    """Score films alike for every user: a cold film has no popularity of its own."""
    liked = np.asarray(warm.audience.matrix.sum(axis=0)).ravel()
    sums: dict[str, list[float]] = {}
    for names, count in zip(warm.genres, liked, strict=True):
        for name in names:
            sums.setdefault(name, []).append(float(count))
    means = {name: np.mean(counts) for name, counts in sums.items()}
    films = np.array([np.mean([means[name] for name in names]) for names in test.genres])
    n_users = test.audience.matrix.shape[0]
    return np.ones((n_users, 1), dtype=np.float32), films[:, None].astype(np.float32)
