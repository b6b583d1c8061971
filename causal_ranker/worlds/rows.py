"""The candidate rows of requests, flat: what the tables are written from."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats._arrays import Array
from causal_ranker.worlds.outcomes import Draws, Outcomes
from causal_ranker.worlds.slates import Slates, rank_by
from causal_ranker.worlds.visits import Visits

__all__ = ["RequestRows", "in_time_order"]

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class RequestRows:
    """What is known about the candidates of some requests, flat and request by request.

    Parameters
    ----------
    user, item, t0, hour, device, session_so_far : ndarray, shape (rows,)
        The row and its moment.
    position, base_rank : ndarray of int, shape (rows,)
        Slot (0 where not placed) and rank of the base score.
    score, conditional, inclusion : ndarray, shape (rows,)
        Base score, logged propensity of the slot, propensity of being placed.
    viewable : ndarray of bool, shape (rows,)
        The slot came into view.
    y0_probability, y1_probability, y0, y1, y_examined, examined_to : ndarray, shape (rows,)
        See `Outcomes` and `Draws`.
    effect, attention, scroll : ndarray, shape (rows,)
        Effect of an examined impression, and how slots are examined.
    """

    user: IntArray
    item: IntArray
    t0: IntArray
    hour: IntArray
    device: IntArray
    session_so_far: IntArray
    position: IntArray
    base_rank: IntArray
    score: Array
    conditional: Array
    inclusion: Array
    viewable: NDArray[np.bool_]
    y0_probability: Array
    y1_probability: Array
    y0: NDArray[np.bool_]
    y1: NDArray[np.bool_]
    y_examined: NDArray[np.bool_]
    examined_to: IntArray
    effect: Array
    attention: Array
    scroll: Array

    @classmethod
    def of(
        cls,
        visits: Visits,
        *,
        item: IntArray,
        score: Array,
        slates: Slates,
        draws: Draws,
        outcomes: Outcomes,
        effect: Array,
        attention: Array,
        scroll: Array,
    ) -> Self:
        """Flatten what the stages made of some requests.

        Parameters
        ----------
        visits : Visits
            The requests.
        item, score, effect : ndarray, shape (requests, candidates)
            Candidates, base scores, effects of an examined impression.
        slates : Slates
            Placements and propensities.
        draws : Draws
            Everything random about the rows.
        outcomes : Outcomes
            Potential outcomes.
        attention, scroll : ndarray, shape (requests,)
            How slots are examined.

        Returns
        -------
        RequestRows
            The rows.
        """
        per_row = item.shape[1]
        return cls(
            user=np.repeat(visits.user, per_row),
            item=item.ravel(),
            t0=np.repeat(visits.t0, per_row),
            hour=np.repeat(visits.hour, per_row),
            device=np.repeat(visits.device, per_row),
            session_so_far=np.repeat(visits.session_so_far, per_row),
            position=slates.position.ravel(),
            base_rank=rank_by(score).ravel(),
            score=score.ravel(),
            conditional=slates.conditional.ravel(),
            inclusion=slates.inclusion.ravel(),
            viewable=(slates.position <= draws.depth[:, None]).ravel(),
            y0_probability=outcomes.y0_probability.ravel(),
            y1_probability=outcomes.y1_probability.ravel(),
            y0=outcomes.y0.ravel(),
            y1=outcomes.y1.ravel(),
            y_examined=outcomes.y_examined.ravel(),
            examined_to=draws.examined_to.ravel(),
            effect=effect.ravel(),
            attention=np.repeat(attention, per_row),
            scroll=np.repeat(scroll, per_row),
        )


def in_time_order(blocks: list[RequestRows], *, per_request: int) -> RequestRows:
    """Put requests together and sort them by (t0, user).

    Parameters
    ----------
    blocks : list of RequestRows
        At least one.
    per_request : int
        Candidates per request.

    Returns
    -------
    RequestRows
        All rows; those of one request stay together, in their order.
    """
    joined = {
        field.name: np.concatenate([getattr(block, field.name) for block in blocks])
        for field in fields(RequestRows)
    }
    # one request is `per_request` rows in a run: order the requests, then expand
    order = np.lexsort((joined["user"][::per_request], joined["t0"][::per_request]))
    row = (order[:, None] * per_request + np.arange(per_request)).ravel()
    values: dict[str, Any] = {name: column[row] for name, column in joined.items()}
    return RequestRows(**values)
