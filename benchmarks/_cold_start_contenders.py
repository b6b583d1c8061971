"""How each way to make scores fairer is fitted to one set of embeddings, and at which strengths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

from benchmarks._cold_start_split import Split
from causal_ranker.coldstart.autoencoder import (
    AutoencoderConfig,
    GenAutoencoderConfig,
    fit_gen_autoencoder,
    fit_scale_autoencoder,
)
from causal_ranker.coldstart.choice import NDCG_AT
from causal_ranker.coldstart.gen import GEN_CONFIGS, choose_gen, gen_path
from causal_ranker.coldstart.metrics import evaluate
from causal_ranker.coldstart.scale import SCALE_CONFIGS, choose_scale, fit_scale
from causal_ranker.coldstart.scores import FactoredScores, ScoreMap

__all__ = ["Contenders"]

#: Strengths of the autoencoders beside the published ones, which are 4 and 200.
_SCALE_BESIDE: Final[tuple[float, ...]] = (2.0, 6.0)
_GEN_BESIDE: Final[tuple[float, ...]] = (800.0,)


@dataclass(frozen=True)
class Contenders:
    """Warm items to learn from, and those to choose on and to report on.

    Parameters
    ----------
    warm, validation, test : FactoredScores
        Their scores.
    split : Split
        Who liked them.
    quick : bool
        Two epochs of the autoencoders, and a third of the fast ones' strengths.
    """

    warm: FactoredScores
    validation: FactoredScores
    test: FactoredScores
    split: Split
    quick: bool

    @classmethod
    def of(cls, scores: FactoredScores, split: Split, *, quick: bool) -> Self:
        """Cut the scores of all items into sides.

        Parameters
        ----------
        scores : FactoredScores
            Of all items.
        split : Split
            Which are on which side.
        quick : bool
            See above.

        Returns
        -------
        Contenders
            To be fitted.
        """
        return cls(
            warm=scores.of_items(split.warm.items),
            validation=scores.of_items(split.validation.items),
            test=scores.of_items(split.test.items),
            split=split,
            quick=quick,
        )

    def scale(self, seed: int, *, alpha: float = 4.0, score_range: float | None = None) -> ScoreMap:
        """Train the published Scale.

        Parameters
        ----------
        seed : int
            Of what is random.
        alpha : float
            Strength.
        score_range : float, optional
            Range that scores are brought to; by default they stay as they are, as the authors' do.

        Returns
        -------
        ScoreMap
            Old scores to new ones.
        """
        short = {"epochs": 2} if self.quick else {}
        config = AutoencoderConfig(alpha=alpha, score_range=score_range, **short)
        return fit_scale_autoencoder(
            self.warm, audience=self.split.warm.audience, config=config, seed=seed
        )

    def gen(self, seed: int, *, alpha: float = 200.0, score_range: float | None = None) -> ScoreMap:
        """Train the published Gen.

        Parameters
        ----------
        seed : int
            Of what is random.
        alpha : float
            Weight of the discrepancy.
        score_range : float, optional
            As in `scale`.

        Returns
        -------
        ScoreMap
            Old scores to new ones.
        """
        short = {"epochs": 2, "warm_up": 1, "every": 1} if self.quick else {}
        config = GenAutoencoderConfig(alpha=alpha, score_range=score_range, **short)
        return fit_gen_autoencoder(
            self.warm, audience=self.split.warm.audience, config=config, seed=seed
        )

    def fast_scale(self, most_loss: float) -> ScoreMap:
        """Choose Scale as one ridge solve.

        Parameters
        ----------
        most_loss : float
            Share of the validation items' NDCG that may be lost.

        Returns
        -------
        ScoreMap
            The chosen one.
        """
        configs = SCALE_CONFIGS[:: self._every]
        return choose_scale(self.warm, **self._both(), configs=configs, most_loss=most_loss).map

    def fast_gen(self, most_loss: float) -> ScoreMap:
        """Choose Gen by quantile mapping.

        Parameters
        ----------
        most_loss : float
            Share of the validation items' NDCG that may be lost.

        Returns
        -------
        ScoreMap
            The chosen one.
        """
        configs = GEN_CONFIGS[:: self._every]
        return choose_gen(self.warm, **self._both(), configs=configs, most_loss=most_loss).map

    def loss_of(self, fitted: ScoreMap) -> float:
        """Say what a map loses on validation items.

        Parameters
        ----------
        fitted : ScoreMap
            Old scores to new ones.

        Returns
        -------
        float
            Share of their NDCG@15, 0 where it gains.
        """
        new, old = (
            evaluate(of, audience=self.split.validation.audience, lengths=(NDCG_AT,))
            for of in (fitted(self.validation.items), self.validation)
        )
        return max(1 - new.utility[NDCG_AT].ndcg / old.utility[NDCG_AT].ndcg, 0.0)

    def strengths(self) -> dict[str, Iterator[ScoreMap]]:
        """Fit each method at every strength, but the autoencoders at their published one.

        Returns
        -------
        dict of str to iterator of ScoreMap
            By method, fitted as they are asked for.
        """
        audience, every = self.split.warm.audience, self._every
        beside = slice(0, 1) if self.quick else slice(None)
        return {
            "scale": (self.scale(0, alpha=alpha) for alpha in _SCALE_BESIDE[beside]),
            "gen": (self.gen(0, alpha=alpha) for alpha in _GEN_BESIDE[beside]),
            "scale_fast": (
                fit_scale(self.warm, audience=audience, config=config)
                for config in SCALE_CONFIGS[::every]
            ),
            "gen_fast": (
                fitted
                for config in GEN_CONFIGS[::every]
                for fitted in gen_path(self.warm, audience=audience, config=config)
            ),
        }

    @property
    def _every(self) -> int:
        return 3 if self.quick else 1

    def _both(self) -> dict[str, Any]:
        return {
            "audience": self.split.warm.audience,
            "validation": self.validation,
            "validation_audience": self.split.validation.audience,
        }
