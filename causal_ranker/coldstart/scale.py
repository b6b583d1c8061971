"""Scale: raise the scores of items whose own audience scores them low (Zhu et al., 2021).

The authors train a linear autoencoder from an item's scores to its scaled scores. Scores are
products of embeddings, so the whole map is one ridge regression from ``[v_i, 1]``, and the new
scores are again products of embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.coldstart.metrics import ListMetrics, evaluate_embeddings
from causal_ranker.coldstart.ranking import Audience, checked_embeddings
from causal_ranker.errors import ConfigError, EmptyError

__all__ = ["ScaleMap", "choose_scale", "fit_scale"]

_NDCG_AT = 15


@dataclass(frozen=True)
class ScaleMap:
    """A linear map from old to new scores.

    Parameters
    ----------
    weights : numpy.ndarray
        Shape (width + 1, n_users): scores of an item with embedding v are ``[v, 1] @ weights``.
    alpha : float
        Strength.
    """

    weights: NDArray[np.float32]
    alpha: float

    def embed(self, items: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return item embeddings for products with `user_embeddings`.

        Parameters
        ----------
        items : numpy.ndarray
            Shape (n_items, width).

        Returns
        -------
        numpy.ndarray
            Shape (n_items, width + 1).
        """
        checked = checked_embeddings(items, name="items")
        return np.column_stack([checked, np.ones(len(checked), dtype=np.float32)])

    @property
    def user_embeddings(self) -> NDArray[np.float32]:
        """User embeddings, shape (n_users, width + 1), that go with `embed`."""
        return np.ascontiguousarray(self.weights.T)


def fit_scale(
    users: NDArray[np.floating],
    warm: NDArray[np.floating],
    *,
    audience: Audience,
    alpha: float,
    l2: float = 1.0,
) -> ScaleMap:
    """Regress scaled scores of warm items on their embeddings.

    Row i of the scores is ``R_i = v_i U' - min R``. On the item's positives the target is
    ``R_iu w_i`` with ``w_i = max_j m_j^alpha / m_i^alpha`` and ``m_i`` the item's mean positive
    score; elsewhere it is ``R_iu``.

    Parameters
    ----------
    users : numpy.ndarray
        Shape (n_users, width).
    warm : numpy.ndarray
        Shape (n_warm, width).
    audience : Audience
        Positives of the warm items, shape (n_users, n_warm).
    alpha : float
        Strength, 0 or more; 0 changes nothing but the ridge's shrinkage.
    l2 : float
        Ridge penalty, above 0.

    Returns
    -------
    ScaleMap
        The fitted map.

    Raises
    ------
    ConfigError
        If alpha is negative or the penalty not above 0.
    EmptyError
        If no warm item has an audience.
    """
    if not (0 <= alpha < np.inf and 0 < l2 < np.inf):
        raise ConfigError(
            expected="alpha of 0 or more and l2 above 0",
            came=f"alpha = {alpha!r}, l2 = {l2!r}",
            do="Choose for example alpha = 2 and l2 = 1.",
        )
    people = checked_embeddings(users, name="users").astype(np.float64)
    vectors = checked_embeddings(warm, name="warm").astype(np.float64)
    pairs = audience.matrix.tocoo()
    who, what = pairs.coords
    sizes = np.bincount(what, minlength=len(vectors))
    if not sizes.any():
        raise EmptyError(
            expected="positives of warm items", came="none", do="Check the training pairs."
        )
    floor = _lowest_score(people, vectors)
    positive = np.einsum("ij,ij->i", people[who], vectors[what]) - floor
    means = np.zeros(len(vectors))
    np.divide(
        np.bincount(what, weights=positive, minlength=len(vectors)),
        sizes,
        out=means,
        where=sizes > 0,
    )
    known = means > 0
    factor = np.ones(len(vectors))
    factor[known] = (means[known].max() / means[known]) ** alpha
    # target = R + positives * R * (w - 1): the first part is linear in [v, 1], so that the ridge
    # needs A'target = A'R + A'(sparse), and no matrix of users x items.
    design = np.column_stack([vectors, np.ones(len(vectors))])
    gram = design.T @ design
    shifted = np.vstack([people.T, np.full(len(people), -floor)])
    extra = np.zeros((design.shape[1], len(people)))
    added = (factor[what] - 1) * positive
    for column in range(design.shape[1]):
        extra[column] = np.bincount(
            who, weights=design[what, column] * added, minlength=len(people)
        )
    penalty = l2 * np.eye(len(gram))
    penalty[-1, -1] = 1e-9  # the intercept moves freely; this only keeps the system regular
    # Shrinkage is towards the old scores, not towards 0.
    weights = shifted + np.linalg.solve(gram + penalty, extra)
    return ScaleMap(weights=weights.astype(np.float32), alpha=alpha)


def choose_scale(
    users: NDArray[np.floating],
    warm: NDArray[np.floating],
    *,
    audience: Audience,
    validation: NDArray[np.floating],
    validation_audience: Audience,
    alphas: Sequence[float] = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0),
    most_loss: float = 0.03,
) -> tuple[ScaleMap, dict[float, ListMetrics]]:
    """Choose the strength on validation items.

    Of the strengths that lose at most `most_loss` of the base's NDCG@15, the one with the best
    mean over the 10 % worst items; the base itself (strength 0) if none qualifies.

    Parameters
    ----------
    users, warm : numpy.ndarray
        Embeddings, shapes (n_users, width) and (n_warm, width).
    audience : Audience
        Positives of the warm items.
    validation : numpy.ndarray
        Shape (n_validation, width): cold items that are not reported on.
    validation_audience : Audience
        Their positives.
    alphas : sequence of float
        Strengths tried.
    most_loss : float
        Share of NDCG@15 that may be lost.

    Returns
    -------
    ScaleMap
        The chosen map.
    dict of float to ListMetrics
        What each strength gave on the validation items; 0 is the base.
    """
    base = evaluate_embeddings(
        users.astype(np.float32),
        validation.astype(np.float32),
        audience=validation_audience,
        lengths=(_NDCG_AT,),
    )
    maps = {0.0: fit_scale(users, warm, audience=audience, alpha=0.0)}
    tried = {0.0: base}
    for alpha in alphas:
        maps[alpha] = fit_scale(users, warm, audience=audience, alpha=alpha)
        tried[alpha] = evaluate_embeddings(
            maps[alpha].user_embeddings,
            maps[alpha].embed(validation),
            audience=validation_audience,
            lengths=(_NDCG_AT,),
        )
    least = (1 - most_loss) * base.utility[_NDCG_AT].ndcg
    allowed = [alpha for alpha, seen in tried.items() if seen.utility[_NDCG_AT].ndcg >= least]
    best = max(allowed, key=lambda alpha: (tried[alpha].fairness.lowest[10], -alpha))
    return maps[best], tried


def _lowest_score(users: NDArray[np.float64], items: NDArray[np.float64]) -> float:
    step = 1024
    return min(
        float((users[start : start + step] @ items.T).min()) for start in range(0, len(users), step)
    )
