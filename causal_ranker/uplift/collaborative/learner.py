"""A collaborative method behind the door of every learner: rows in, plays per impression out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, RowError
from causal_ranker.seeds import stage_rng, stage_seed
from causal_ranker.stats.hashing import fold_of
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checks import check_rows
from causal_ranker.uplift.collaborative.base import PairModel
from causal_ranker.uplift.collaborative.factory import make_pair_model
from causal_ranker.uplift.collaborative.pairs import (
    PairCodes,
    draw_pairs,
    key_of,
    read_codes,
)
from causal_ranker.uplift.final import LearnerConfig, comparable_rows
from causal_ranker.uplift.learner import Learner
from causal_ranker.uplift.named import place_of
from causal_ranker.uplift.nuisance import NuisanceValues, cross_fit
from causal_ranker.uplift.score import ScoreLine, fit_line
from causal_ranker.uplift.wrapped import DEFAULTS

__all__ = ["PairLearner"]

Array = NDArray[np.float64]
_BATCH: Final = 2**20


class PairLearner(Learner[LearnerConfig]):
    """A pair model whose scores a line makes plays per impression.

    ``PairLearner("dlce", user="user_code", item="item_code")`` reads the codes of users and items
    from two features and learns from who was shown and who played what. Of several rows of a user
    and an item one is drawn by lot, blind to T and Y (see
    `causal_ranker.uplift.collaborative.pairs`). To the method a pair without a row was neither
    shown nor played.

    What the method says has no unit. Its line (see `causal_ranker.uplift.score`) is two numbers,
    learned from doubly robust scores of rows whose pairs the method did not see: by folds of pairs,
    whose models then predict together. So the order of rows is the method's alone; a mean of
    models is steadier than each, so that the line is a little too flat (by 1 / folds at most); and
    effects of the very rows of training are flattered, as most of the models saw them. Most
    methods rank items within a user: what differs between users alone, they do not learn.

    Parameters
    ----------
    method : str or PairModel
        A name that `causal_ranker.uplift.collaborative.factory.make_pair_model` knows, or a model,
        of which copies are fitted.
    user, item : str
        Features that hold the codes of users and items: whole numbers from 0 to below 2^24.
    config : LearnerConfig
        Nuisances and overlap; its final stage is not read. Outcomes are plays: 0 or 1, or counts,
        of which the method reads whether there was one.
    folds : int
        Folds of pairs: a model is fitted on all but one of them.
    draws : int
        How often the rows of pairs are drawn, each for a model of its own, whose scores are
        averaged; where each pair has one row, there is one.
    seed : int
        Decides lots and folds, and the model's own draws where `method` is a name.

    Attributes
    ----------
    line_ : ScoreLine
        Slope and intercept.
    unseen_ : int
        Rows of the latest `predict` whose user or item was not in training: they have the average
        effect.
    estimand_ : str
        Of which rows the effects are an average, in words.
    """

    line_: ScoreLine | None = None
    unseen_ = 0
    estimand_ = ""

    def __init__(
        self,
        method: str | PairModel,
        *,
        user: str,
        item: str,
        config: LearnerConfig = DEFAULTS,
        folds: int = 5,
        draws: int = 3,
        seed: int = 0,
    ) -> None:
        super().__init__(config=config, seed=seed)
        if folds < 2 or draws < 1:
            raise ConfigError(
                expected="at least 2 folds and 1 draw",
                came=f"{folds} and {draws}",
                do="Leave them out, or give more.",
            )
        self._method = method
        self._columns = (user, item)
        self._folds = folds
        self._draws = draws
        self._places = (-1, -1)
        self._scorers: list[_Scorer] = []

    def fit(
        self,
        rows: Rows,
        *,
        nuisances: NuisanceValues | None = None,
        advance: Callable[[], None] = lambda: None,
    ) -> Self:
        """Fit the method without each fold of pairs, and then the line.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms, of equal weight.
        nuisances : NuisanceValues, optional
            Cross-fitted nuisances of the same rows, to share them between learners.
        advance : callable
            Called `steps` times.

        Returns
        -------
        PairLearner
            Itself.

        Raises
        ------
        SchemaError
            If the rows have no such features.
        RowError
            If T, Y or a propensity cannot be (see `causal_ranker.uplift.checks`), or a code is
            missing or no whole number below 2^24.
        ConfigError
            If rows differ in weight, or outcomes are amounts.
        OverlapError
            If an arm's effective sample size among the rows chosen is below the floor.
        """
        check_rows(rows, kind=self._config.nuisance.kind)
        self._require_plays(rows)
        self._places = (
            place_of(self._columns[0], rows.names, what="codes of users"),
            place_of(self._columns[1], rows.names, what="codes of items"),
        )
        user, item = self._codes(rows.features)
        for name, codes in zip(self._columns, (user, item), strict=True):
            _require_known(codes, name=name)
        nuisances = nuisances or cross_fit(rows, config=self._config.nuisance, seed=self._seed)
        advance()
        chosen = comparable_rows(rows, nuisances.propensity, config=self._config)
        self.estimand_, kept = chosen.estimand, chosen.kept
        scored = _Scored(
            user=user[kept],
            item=item[kept],
            exposed=rows.treatment[kept] == 1,
            played=rows.outcome[kept] > 0,
            propensity=nuisances.propensity[kept],
        )
        gamma = nuisances.take(kept).scores(rows.treatment[kept], rows.outcome[kept])
        held_out = self._fit_folds(scored, advance=advance)
        self.line_ = fit_line(held_out, gamma, weight=chosen.factor[kept])
        return self

    def steps(self, rows: Rows) -> int:
        """Say how often `fit` will advance.

        Parameters
        ----------
        rows : Rows
            Training rows; however many, the steps are the same.

        Returns
        -------
        int
            One for the nuisances, and one a fold.
        """
        return 1 + self._folds

    def _require_plays(self, rows: Rows) -> None:
        if self._config.nuisance.kind == "continuous":
            raise ConfigError(
                expected="plays as outcomes, kind='binary' or kind='count', as a pair method asks "
                "whether an item was played",
                came="kind='continuous'",
                do="Label plays, or take another learner.",
            )
        if np.ptp(rows.weight) > 0:
            raise ConfigError(
                expected="rows of equal weight, as a pair method reads no weights",
                came=f"weights from {rows.weight.min():g} to {rows.weight.max():g}",
                do="Take an even sample of rows, or a learner that reads weights, e.g. 'dr'.",
            )

    def _codes(self, features: NDArray[np.float32]) -> list[NDArray[np.int64]]:
        return [
            read_codes(features[:, place], name=name)
            for place, name in zip(self._places, self._columns, strict=True)
        ]

    def _fit_folds(self, scored: _Scored, *, advance: Callable[[], None]) -> Array:
        """Fit a model without each fold of pairs, and score each row by the one without its own."""
        pair = key_of(scored.user, scored.item)
        fold = fold_of(pair, self._folds, salt=f"pairs-{self._seed}")
        found = np.full(len(fold), np.nan)
        self._scorers = []
        for f in range(self._folds):
            held = np.flatnonzero(fold == f)
            scorer = self._fit_method(scored.take(np.flatnonzero(fold != f)))
            found[held] = scorer.score(scored.user[held], scored.item[held])
            self._scorers.append(scorer)
            advance()
        return found

    def _fit_method(self, scored: _Scored) -> _Scorer:
        codes = PairCodes(np.unique(scored.user), np.unique(scored.item))
        user, item = codes.find(scored.user, scored.item)
        pairs = len(np.unique(key_of(user, item)))
        draws = self._draws if pairs < len(user) else 1
        models = []
        for draw in range(draws):
            drawn = draw_pairs(
                user,
                item,
                exposed=scored.exposed,
                played=scored.played,
                propensity=scored.propensity,
                codes=codes,
                rng=stage_rng(self._seed, f"pairs {draw}"),
            )
            models.append(self._unfitted(draw).fit(drawn))
        return _Scorer(codes, models)

    def _unfitted(self, draw: int) -> PairModel:
        if isinstance(self._method, str):
            return make_pair_model(self._method, seed=stage_seed(self._seed, f"method {draw}"))
        return deepcopy(self._method)

    def _estimate(self, features: NDArray[np.float32]) -> Array:
        line = self._fitted(self.line_)
        user, item = self._codes(features)
        total, models = np.zeros(len(user)), np.zeros(len(user))
        for scorer in self._scorers:
            score = scorer.score(user, item)
            known = ~np.isnan(score)
            total[known] += score[known]
            models += known
        self.unseen_ = int((models == 0).sum())
        return line(np.divide(total, models, out=np.full(len(user), np.nan), where=models > 0))


@dataclass(frozen=True)
class _Scored:
    """What a method learns from, row by row."""

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    exposed: NDArray[np.bool_]
    played: NDArray[np.bool_]
    propensity: Array

    def take(self, chosen: NDArray[np.int64]) -> _Scored:
        return _Scored(*(values[chosen] for values in vars(self).values()))


@dataclass(frozen=True)
class _Scorer:
    """Models of one fold, and what they call users and items."""

    codes: PairCodes
    models: Sequence[PairModel]

    def score(self, user: NDArray[np.int64], item: NDArray[np.int64]) -> Array:
        """Return the mean score of each row; NaN where its user or item was not in training."""
        found = np.full(len(user), np.nan)
        for start in range(0, len(user), _BATCH):
            batch = slice(start, start + _BATCH)
            u, i = self.codes.find(user[batch], item[batch])
            known = np.flatnonzero((u >= 0) & (i >= 0))
            if len(known):
                scores = [model.score(u[known], i[known]) for model in self.models]
                found[start + known] = np.mean(scores, axis=0, dtype=np.float64)
        return found


def _require_known(codes: NDArray[np.int64], *, name: str) -> None:
    missing = codes < 0
    if missing.any():
        raise RowError(
            expected=f"a code in '{name}' of every training row",
            came=f"{int(missing.sum())} of {len(missing)} rows without, e.g. rows "
            f"{np.flatnonzero(missing)[:3].tolist()}",
            do="Give the user and the item of each row a code, or leave those rows out.",
        )
