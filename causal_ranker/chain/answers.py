"""What a fitted ranker and a loaded one have in common: a bundle that orders lists."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from causal_ranker.chain.offer import rerank_offer
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.serving.adapter import RerankedList
from causal_ranker.serving.bundle import Bundle, BundleContents, load_bundle, write_bundle
from causal_ranker.serving.counts import Counts

__all__ = ["Answers"]


class Answers(ABC):
    """The online side of a ranker.

    Attributes
    ----------
    base : BaseRecommender, "boosted" or None
        Whom `rerank` asks for candidates where none are given.
    counts_ : Counts
        Lists that `rerank` was asked for, and by reason those in base order.
    """

    base: BaseRecommender | Literal["boosted"] | None
    counts_: Counts
    _bundle: Bundle | None = None

    @abstractmethod
    def _contents(self) -> BundleContents:
        """Collect what a bundle of the fitted ranker would hold."""

    def rerank(
        self,
        user_id: int | str,
        candidates: Iterable[tuple[int | str, float]] | None = None,
        *,
        k: int | None = None,
        at: datetime | None = None,
        columns: Mapping[str, Sequence[float | str | None]] | None = None,
    ) -> RerankedList:
        """Order one user's candidates by the frozen policy.

        Parameters
        ----------
        user_id : int or str
            The user.
        candidates : iterable of (item_id, base_score), optional
            What the base recommender offers. If left out, `base` is asked for as many as the
            longest logged list; the built-in base ranker scores the user's candidates of the last
            request, or every item for an unknown user.
        k : int, optional
            Longest list to return.
        at : datetime, optional
            The moment that `base` is asked about, with a time zone; now by default.
        columns : mapping of str to sequence, optional
            What rules of the policy read, where the request knows better than the snapshot.

        Returns
        -------
        RerankedList
            Items with base score, uplift and rank; the base order where the user is unknown.

        Raises
        ------
        NotFittedError
            If there is no model.
        UnknownUserError
            If no candidates are given, and `base` has none for the user, or there is no base and
            the user is unknown.
        ConfigError, DataError
            If an argument cannot be (see `causal_ranker.serving.adapter.rerank`).
        """
        return rerank_offer(
            self._serving(),
            user_id,
            candidates=candidates,
            base=self.base,
            k=k,
            at=at,
            columns=columns,
        )

    def known_users(self) -> list[int | str]:
        """Return the users that `rerank` knows without being given candidates.

        Returns
        -------
        list of int or str
            Ids in ascending order.

        Raises
        ------
        NotFittedError
            If there is no model.
        """
        return list(self._serving().snapshot.users.ids.tolist())

    def _serving(self) -> Bundle:
        """Return the bundle that answers; a fitted ranker makes one for itself."""
        if self._bundle is None:
            with tempfile.TemporaryDirectory() as folder:
                bundle = load_bundle(write_bundle(Path(folder) / "own", contents=self._contents()))
            self._bundle = replace(bundle, counts=self.counts_)
        return self._bundle
