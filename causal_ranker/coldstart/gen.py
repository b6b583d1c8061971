"""Gen by quantile mapping: every item's audience is to score it as audiences score items.

The authors train a generator of ideal positive scores against the items' own (Zhu et al., 2021;
`causal_ranker.coldstart.autoencoder`). Here the ideal is known: the distribution of all positive
scores. Scores of the audience of a below-average item are moved to the quantiles of that
distribution, the move is regressed on embeddings, and both are repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.coldstart.choice import Choice, choose_map
from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.scores import FactoredScores, ScoreMap
from causal_ranker.coldstart.warm import WarmItems
from causal_ranker.config import FrozenConfig

__all__ = ["GEN_CONFIGS", "GenConfig", "choose_gen", "gen_path", "quantile_moves"]


class GenConfig(FrozenConfig):
    """How far quantile mapping goes.

    Parameters
    ----------
    strength : float
        Factor of each move. The regression hands on a small part of it, so that large factors
        reach in one round what small ones do not in many.
    rounds : int
        How often scores are mapped and the map is regressed.
    lift : float
        As in Scale: a first regression raises all positives alike by so many mean positive
        scores; 0 leaves it out.
    l2 : float
        Ridge penalty, in units of the mean eigenvalue of the embeddings' second moments.
    """

    strength: float = Field(default=8.0, gt=0)
    rounds: int = Field(default=2, ge=1)
    lift: float = Field(default=1.0, ge=0)
    l2: float = Field(default=0.3, gt=0)


#: What is tried on validation items. A second round adds to small strengths only, and less than the
#: next larger one does.
GEN_CONFIGS = tuple(
    GenConfig(strength=float(strength), rounds=1)
    for strength in (1, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 29, 32)
)


def gen_path(
    warm: FactoredScores, *, audience: Audience, config: GenConfig | None = None
) -> Iterator[ScoreMap]:
    """Yield the map after each round.

    Parameters
    ----------
    warm : FactoredScores
        Scores of the warm items.
    audience : Audience
        Their positives, shape (n_users, n_warm).
    config : GenConfig, optional
        How far it goes.

    Yields
    ------
    ScoreMap
        Maps that raise more and more, also for items that they were not fitted on.

    Raises
    ------
    EmptyError
        If no warm item has an audience.
    SchemaError
        If the shapes do not fit each other.
    """
    yield from _path(WarmItems(warm, audience=audience), config=config or GenConfig())


def quantile_moves(
    scores: NDArray[np.float64],
    *,
    ends: NDArray[np.int64],
    low: NDArray[np.bool_],
    ideal: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return how far each score of a low item is from its quantile of the ideal distribution.

    Parameters
    ----------
    scores : numpy.ndarray
        Shape (n_positives,), item by item.
    ends : numpy.ndarray
        Shape (n_items + 1,): where each item's scores begin and end.
    low : numpy.ndarray
        Shape (n_items,): the items whose scores are mapped.
    ideal : numpy.ndarray
        A sorted sample of the ideal distribution.

    Returns
    -------
    numpy.ndarray
        Shape (n_positives,), 0 for items that are not low.
    """
    sizes = np.diff(ends)
    of = np.repeat(np.arange(len(sizes)), sizes)
    rows = np.flatnonzero(low[of])
    order = rows[np.lexsort((scores[rows], of[rows]))]
    # Rows are item by item before and after: a row's place within its item is its rank there.
    place = (rows - ends[of[rows]] + 0.5) / sizes[of[rows]]
    wanted = np.interp(place, (np.arange(len(ideal)) + 0.5) / len(ideal), ideal)
    moves = np.zeros(len(scores))
    moves[order] = wanted - scores[order]
    return moves


def choose_gen(
    warm: FactoredScores,
    *,
    audience: Audience,
    validation: FactoredScores,
    validation_audience: Audience,
    configs: Sequence[GenConfig] = GEN_CONFIGS,
    most_loss: float = 0.03,
) -> Choice[GenConfig]:
    """Choose strength and rounds on validation items, by the rule of `fairest`.

    Parameters
    ----------
    warm : FactoredScores
        Scores of the warm items.
    audience : Audience
        Their positives.
    validation : FactoredScores
        Scores of cold items that are not reported on.
    validation_audience : Audience
        Their positives.
    configs : sequence of GenConfig
        What is tried, after each of its rounds.
    most_loss : float
        Share of NDCG@15 that may be lost.

    Returns
    -------
    Choice
        The chosen map; the one that changes nothing where everything loses more.
    """
    items = WarmItems(warm, audience=audience)
    maps: dict[GenConfig, ScoreMap] = {}
    for config in configs:
        for rounds, fitted in enumerate(_path(items, config=config), start=1):
            maps[config.model_copy(update={"rounds": rounds})] = fitted
    return choose_map(
        maps,
        unchanged=ScoreMap(items.unchanged),
        validation=validation,
        audience=validation_audience,
        most_loss=most_loss,
    )


def _path(items: WarmItems, *, config: GenConfig) -> Iterator[ScoreMap]:
    weights = items.unchanged
    scores = items.positive_scores(weights)
    if config.lift:
        above = float(scores.mean()) - items.scores.range()[0]
        weights = weights + items.moved(np.full(scores.size, config.lift * above), l2=config.l2)
        scores = items.positive_scores(weights)
    ideal = np.sort(scores)
    average = float(items.means(scores).mean())
    for _ in range(config.rounds):
        low = items.means(scores) < average
        added = quantile_moves(scores, ends=items.ends, low=low, ideal=ideal)
        weights = weights + items.moved(config.strength * added, l2=config.l2)
        scores = items.positive_scores(weights)
        yield ScoreMap(weights)
