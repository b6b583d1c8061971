"""Several recommenders, each in force from the moment up to which it was trained."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

import pandas as pd

from causal_ranker.errors import ConfigError
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.recommenders.checks import check_moment, check_question, check_trained_until

__all__ = ["DatedRecommender", "Succession"]


class DatedRecommender(BaseRecommender, Protocol):
    """A recommender that says up to when it was trained.

    Attributes
    ----------
    trained_until : datetime or None
        It knows nothing from this moment on, and refuses earlier requests.
    """

    trained_until: datetime | None


class Succession:
    """Models that took over from one another, as they do in a service that trains every night.

    Offline, each past request is answered by the model that was in force at its time.

    Parameters
    ----------
    recommenders : iterable of DatedRecommender
        In any order; each from its own `trained_until` until the next one's.

    Raises
    ------
    ConfigError
        If there is none, one has no `trained_until`, or two have the same.
    """

    def __init__(self, recommenders: Iterable[DatedRecommender]) -> None:
        dated: list[tuple[datetime, BaseRecommender]] = []
        for each in recommenders:
            moment = check_trained_until(getattr(each, "trained_until", None))
            if moment is None:
                raise ConfigError(
                    expected="recommenders with a trained_until",
                    came=f"a {type(each).__name__} without one",
                    do="Say up to when each was trained.",
                )
            dated.append((moment, each))
        dated.sort(key=lambda entry: entry[0])
        moments = [moment for moment, _ in dated]
        if not dated or len(set(moments)) < len(dated):
            raise ConfigError(
                expected="at least one recommender, and a moment of its own for each",
                came="none" if not dated else f"the moments {', '.join(map(str, moments))}",
                do="Keep one recommender for each moment.",
            )
        self._dated = dated
        self.trained_until: datetime | None = moments[0]

    def candidates(
        self, users: Iterable[int | str], *, at: datetime, k: int | None = None
    ) -> pd.DataFrame:
        """Return the candidates of some users, best first, from the recommender in force.

        Parameters
        ----------
        users : iterable of int or str
            Users to serve, each once.
        at : datetime
            The moment of the request, with a time zone.
        k : int, optional
            Longest list per user, at least 1; all candidates by default.

        Returns
        -------
        pandas.DataFrame
            Columns user_id, item_id and base_score (see `causal_ranker.recommenders.base`).

        Raises
        ------
        ConfigError, RowError
            If the question cannot be.
        NotFittedError
            If none is in force at that moment.
        """
        asked = check_question(users, at=at, k=k)
        check_moment(at, trained_until=self.trained_until)
        last = [each for moment, each in self._dated if moment <= at][-1]
        return last.candidates(asked, at=at, k=k)
