"""To be told the truth of the validation draw, as papers' methods are where the world is known.

Nobody has it outside a world. What is chosen and stopped by it shows what a method's loss is worth
apart from how well its settings can be chosen from a log; nothing of ours is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from benchmarks._causal_judge import true_cdcg
from causal_ranker.uplift.collaborative.early import EarlyStop
from causal_ranker.uplift.collaborative.estimated import ScoreUsers

if TYPE_CHECKING:
    from causal_ranker.worlds.semisynthetic.pair_world import PairDraw

__all__ = ["TrueStop"]


@dataclass(frozen=True)
class TrueStop(EarlyStop):
    """Keep the best epoch by the true CDCG of a draw.

    Parameters
    ----------
    validation, every, patience
        As in `EarlyStop`; the validation pairs are only compared with those of training.
    draw : PairDraw
        The one that is told.
    """

    draw: PairDraw = field(kw_only=True)

    def value(self, score_users: ScoreUsers) -> float:
        """Look up the CDCG.

        Parameters
        ----------
        score_users : callable
            Scores of every item for users given by code.

        Returns
        -------
        float
            Larger is better.
        """
        scores = score_users(np.arange(self.validation.n_users))
        return true_cdcg(scores.astype(np.float32, copy=False), self.draw)
