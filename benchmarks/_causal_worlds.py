"""The three worlds of pairs, a small one for quick runs, and what was published of theirs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np

from causal_ranker.logs.datasets.movielens import load_movielens
from causal_ranker.logs.sources import connect
from causal_ranker.seeds import stage_rng
from causal_ranker.worlds.semisynthetic.films import films_world
from causal_ranker.worlds.semisynthetic.grocery import grocery_world
from causal_ranker.worlds.semisynthetic.pair_world import PairWorld
from causal_ranker.worlds.semisynthetic.statistics import pair_statistics

__all__ = ["PUBLISHED", "WORLDS", "planted_world"]

#: By world and method: CP@10, CP@100 and CDCG as in PropCare (NeurIPS 2023). Their worlds are made
#: of more logs than ours: orders may be compared, not heights.
PUBLISHED: Final[Mapping[str, Mapping[str, tuple[float, float, float]]]] = MappingProxyType(
    {
        "grocery": {
            "dlce, true p": (0.0658, 0.0215, 1.068),
            "cause": (0.0495, 0.0216, 1.020),
            "bpr": (0.0301, 0.0138, 0.8983),
        },
        "grocery_personalized": {
            "dlce, true p": (0.1304, 0.0445, 1.469),
            "cause": (0.0663, 0.0241, 1.105),
            "bpr": (0.0476, 0.0245, 1.018),
        },
        "films": {
            "dlce, true p": (0.2471, 0.1887, 16.29),
            "cause": (0.1849, 0.1438, 15.25),
            "bpr": (-0.408, -0.197, 9.898),
        },
    }
)


def _films() -> PairWorld:

    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CAUSAL_RANKER_DATA", default)) / "movielens_small"
    ratings, films = folder / "ratings.csv.gz", folder / "movies.csv.gz"
    if not ratings.is_file():
        raise FileNotFoundError(f"no ratings in {folder}; say where: CAUSAL_RANKER_DATA")
    logs = load_movielens(ratings, films, connection=connect())
    return films_world(logs.plays.to_pandas())


#: By name, how each is built.
WORLDS: Final[Mapping[str, Callable[[], PairWorld]]] = MappingProxyType(
    {
        "grocery": partial(grocery_world, personalized=False),
        "grocery_personalized": partial(grocery_world, personalized=True),
        "films": _films,
    }
)


def planted_world(name: str, *, users: int = 100, items: int = 60) -> PairWorld:
    """Make a small world up: tastes of rank 2, and effects that are largest where plays are rare.

    Parameters
    ----------
    name : str
        What it is called.
    users, items : int
        How many.

    Returns
    -------
    PairWorld
        In which who ranks by plays does worse than by lot.
    """
    rng = stage_rng(0, "causal_ranking/planted")
    taste = rng.normal(size=(users, 2)) @ rng.normal(size=(2, items)) / 2
    liked, without = 1 / (1 + np.exp(-taste)), 1 / (1 + np.exp(-2 * taste))
    shown = np.float32(0.1) + np.float32(0.3) * (1 - liked).astype(np.float32)
    played = np.float32(0.4) * without.astype(np.float32)
    propensity = np.float32(0.1) + np.float32(0.5) * liked.astype(np.float32)
    return PairWorld(
        name=name,
        users=np.arange(users),
        items=np.arange(items),
        played_if_shown=shown,
        played_if_not=played,
        propensity=propensity,
        statistics=pair_statistics(shown, played, propensity=propensity),
    )
