"""Scale: raise the scores of items whose own audience scores them low (Zhu et al., 2021).

The authors train a linear autoencoder from an item's scores to its scaled scores. Scores are
products of embeddings, so the whole map is one ridge regression from ``[v_i, 1]``, and the new
scores are again products of embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.coldstart.choice import Choice, choose_map
from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.scores import FactoredScores, ScoreMap
from causal_ranker.coldstart.warm import WarmItems
from causal_ranker.config import FrozenConfig

__all__ = ["SCALE_CONFIGS", "ScaleConfig", "choose_scale", "fit_scale", "scaling"]

#: Of the highest mean score, for items of none.
_LEAST = 1e-6


class ScaleConfig(FrozenConfig):
    """How far Scale goes.

    Parameters
    ----------
    alpha : float
        Strength; 0 raises all items alike.
    lift : float
        How much of the mean positive score is added to each positive before it is scaled; 0 is
        the authors' Scale. It lets users' own plays correct the user embeddings, which raises
        utility, and costs the worst items nothing at equal utility.
    l2 : float
        Ridge penalty, in units of the mean eigenvalue of the embeddings' second moments.
    """

    alpha: float = Field(default=4.0, ge=0, le=100)
    lift: float = Field(default=1.0, ge=0)
    l2: float = Field(default=1.0, gt=0)


#: What is tried on validation items.
SCALE_CONFIGS = tuple(
    ScaleConfig(alpha=alpha, l2=l2)
    for l2 in (1.0, 10.0)
    for alpha in (1.0, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0, 10.0)
)


def scaling(means: NDArray[np.float64], *, alpha: float) -> NDArray[np.float64]:
    """Return the factors ``w_i = max_j m_j^alpha / m_i^alpha``.

    Parameters
    ----------
    means : numpy.ndarray
        Shape (n_warm,): mean scores of the items' audiences, the lowest of all scores being 0.
    alpha : float
        Strength.

    Returns
    -------
    numpy.ndarray
        Shape (n_warm,), 1 or more.
    """
    highest = means.max()
    if highest <= 0:  # all scores are equal: nobody is behind
        return np.ones(len(means))
    # An audience whose every score is the lowest there is would be raised without end.
    factors: NDArray[np.float64] = (highest / np.maximum(means, _LEAST * highest)) ** alpha
    return factors


def fit_scale(
    warm: FactoredScores, *, audience: Audience, config: ScaleConfig | None = None
) -> ScoreMap:
    """Regress scaled scores of warm items on their embeddings.

    Row i of the scores is ``R_i = v_i U' - min R``. On the item's positives the target is
    ``(R_iu + lift * mean R) w_i`` with ``w_i = max_j m_j^alpha / m_i^alpha``, ``m_i`` the item's
    mean positive score and ``mean R`` that of all positives; elsewhere it is ``R_iu``.

    Parameters
    ----------
    warm : FactoredScores
        Scores of the warm items.
    audience : Audience
        Their positives, shape (n_users, n_warm).
    config : ScaleConfig, optional
        How far it goes.

    Returns
    -------
    ScoreMap
        The fitted map, also for items that it was not fitted on.

    Raises
    ------
    EmptyError
        If no warm item has an audience.
    SchemaError
        If the shapes do not fit each other.
    """
    items = WarmItems(warm, audience=audience)
    return _fit(items, _shifted(items), config=config or ScaleConfig())


def choose_scale(
    warm: FactoredScores,
    *,
    audience: Audience,
    validation: FactoredScores,
    validation_audience: Audience,
    configs: Sequence[ScaleConfig] = SCALE_CONFIGS,
    most_loss: float = 0.03,
) -> Choice[ScaleConfig]:
    """Choose the strength on validation items, by the rule of `fairest`.

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
    configs : sequence of ScaleConfig
        What is tried.
    most_loss : float
        Share of NDCG@15 that may be lost.

    Returns
    -------
    Choice
        The chosen map; the one that changes nothing where everything loses more.
    """
    items = WarmItems(warm, audience=audience)
    shifted = _shifted(items)
    maps = {config: _fit(items, shifted, config=config) for config in configs}
    return choose_map(
        maps,
        unchanged=ScoreMap(items.unchanged),
        validation=validation,
        audience=validation_audience,
        most_loss=most_loss,
    )


def _shifted(items: WarmItems) -> NDArray[np.float64]:
    """Return the positives' scores, the lowest score of all being 0."""
    return items.positive_scores(items.unchanged) - items.scores.range()[0]


def _fit(items: WarmItems, shifted: NDArray[np.float64], *, config: ScaleConfig) -> ScoreMap:
    factors = scaling(items.means(shifted), alpha=config.alpha)[items.items]
    added = (factors - 1) * shifted + config.lift * shifted.mean() * factors
    return ScoreMap(items.unchanged + items.moved(added, l2=config.l2))
