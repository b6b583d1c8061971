"""From candidate lists to evaluation rows: every candidate is scored, few rows are kept.

What decides a list is cheap (base score, uplift, propensity) and computed for every candidate.
What judges it (the outcome models) is computed only for rows that some policy shows, and for an
even sample of all rows, on which the curves stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from causal_ranker.chain.base import BaseScores
from causal_ranker.chain.served import ServedLearner
from causal_ranker.chain.totals import Totals
from causal_ranker.errors import OverlapError
from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.features.matrix import FeatureBlock
from causal_ranker.stats.hashing import uniform_hash
from causal_ranker.uplift.nuisance import Nuisances
from causal_ranker.uplift.overlap import inside
from causal_ranker.uplift.total_outcome import TotalOutcome

__all__ = ["ColdRows", "HeldRows", "ListScorer", "Listed", "Ranking", "ScoredLists"]


@dataclass(frozen=True)
class Listed:
    """Lists of a block's requests by one ranking.

    Attributes
    ----------
    rank : numpy.ndarray
        Ranks of the rows within their request's candidates inside the band, from 1; k + 1 behind
        the first k, 0 outside the band.
    relaxed : dict of str to int
        By rule of the policy: requests whose list does not keep it.
    """

    rank: NDArray[np.int64]
    relaxed: dict[str, int] = field(default_factory=dict)


class Ranking(Protocol):
    """Ranks the rows of a block."""

    def __call__(
        self,
        block: FeatureBlock,
        uplift: NDArray[np.float64],
        *,
        inside: NDArray[np.bool_],
        k: int,
    ) -> Listed:
        """Rank the candidates of each request.

        Parameters
        ----------
        block : FeatureBlock
            All candidates of each of its requests.
        uplift : numpy.ndarray
            Their uplift, shape (n_rows,).
        inside : numpy.ndarray
            Which of them lie in the overlap band, and make up the lists.
        k : int
            Rows to tell apart.

        Returns
        -------
        Listed
            Their ranks.
        """
        ...


@dataclass(frozen=True)
class HeldRows:
    """Rows of some users with all their features, for models of their own.

    Attributes
    ----------
    at : numpy.ndarray
        Their positions among the kept rows, in order, shape (n_held,).
    features : numpy.ndarray
        Shape (n_held, n_features).
    horizon_end : numpy.ndarray
        Ends of their horizons, microseconds since 1970 UTC.
    """

    at: NDArray[np.int64]
    features: NDArray[np.float32]
    horizon_end: NDArray[np.int64]


@dataclass(frozen=True)
class ColdRows:
    """Which rows are of cold items, and every candidate inside the band that was played.

    Attributes
    ----------
    kept : numpy.ndarray
        Which of the kept rows are, shape (n_rows,).
    candidates : int
        How many candidates inside the band are.
    user, item, t0 : numpy.ndarray
        The played candidates, shape (n_played,); t0 in microseconds since 1970 UTC.
    rank : dict of str to numpy.ndarray
        Their ranks by ranking, k + 1 behind the first k.
    """

    kept: NDArray[np.bool_]
    candidates: int
    user: NDArray[Any]
    item: NDArray[Any]
    t0: NDArray[np.int64]
    rank: dict[str, NDArray[np.int64]]

    @classmethod
    def of(
        cls,
        block: FeatureBlock,
        *,
        place: int,
        inside: NDArray[np.bool_],
        keep: NDArray[np.bool_],
        ranks: Mapping[str, NDArray[np.int64]],
    ) -> ColdRows:
        """Look at the candidates of a block.

        Parameters
        ----------
        block : FeatureBlock
            Candidates.
        place : int
            Place of the flag among the features.
        inside : numpy.ndarray
            Which of them lie in the overlap band.
        keep : numpy.ndarray
            Which of them are kept.
        ranks : mapping of str to numpy.ndarray
            Their ranks.

        Returns
        -------
        ColdRows
            What is asked of them.
        """
        cold = block.features[:, place] > 0
        played = np.flatnonzero(inside & (block.outcome > 0))
        return cls(
            kept=cold[keep],
            candidates=int((cold & inside).sum()),
            user=block.user[played],
            item=block.item[played],
            t0=block.t0[played],
            rank={name: rank[played] for name, rank in ranks.items()},
        )

    @classmethod
    def join(cls, parts: Sequence[ColdRows]) -> ColdRows:
        """Put those of several blocks together.

        Parameters
        ----------
        parts : sequence of ColdRows
            Block by block.

        Returns
        -------
        ColdRows
            Of all blocks.
        """
        return cls(
            kept=np.concatenate([part.kept for part in parts]),
            candidates=sum(part.candidates for part in parts),
            user=np.concatenate([part.user for part in parts]),
            item=np.concatenate([part.item for part in parts]),
            t0=np.concatenate([part.t0 for part in parts]),
            rank={
                name: np.concatenate([part.rank[name] for part in parts]) for name in parts[0].rank
            },
        )


@dataclass(frozen=True)
class ScoredLists:
    """Rows to evaluate on, and what was left out.

    Attributes
    ----------
    rows : EvaluationRows
        Rows that a policy shows, and the curve sample.
    item : numpy.ndarray
        Item ids of the rows.
    t0 : numpy.ndarray
        Request times of the rows, microseconds since 1970 UTC.
    covariates : numpy.ndarray
        Features of the sampled rows, shape (rows.sampled, n_features).
    played : numpy.ndarray
        Candidates inside the band that were played, kept as rows or not, shape (rows.requests,).
    candidates : int
        Candidate rows scored.
    outside : int
        Candidate rows outside the overlap band, left out of every list.
    requests_left_out : int
        Requests without any candidate inside the band.
    held : HeldRows
        Every kept row of users drawn by hash, as many as were asked for.
    relaxed : dict of str to dict of str to int
        By ranking and rule of its policy: requests whose list does not keep the rule.
    cold : ColdRows or None
        Which of them are of cold items, where that was asked.
    """

    rows: EvaluationRows
    item: NDArray[Any]
    t0: NDArray[np.int64]
    covariates: NDArray[np.float32]
    played: NDArray[np.int64]
    candidates: int
    outside: int
    requests_left_out: int
    held: HeldRows
    relaxed: dict[str, dict[str, int]]
    cold: ColdRows | None = None


@dataclass(frozen=True)
class ListScorer:
    """Everything that turns candidates into ranked, judged rows.

    Attributes
    ----------
    base : BaseScores
        Base scores and ranks.
    learner : ServedLearner
        Uplift.
    nuisances : Nuisances
        Propensity and outcome models of the judge.
    lowest_propensity : float
        Overlap band of the primary estimand.
    total : TotalOutcome
        The judge of effects on the user's total plays.
    """

    base: BaseScores
    learner: ServedLearner
    nuisances: Nuisances
    lowest_propensity: float
    total: TotalOutcome

    def score(
        self,
        blocks: Iterable[FeatureBlock],
        *,
        rankings: Mapping[str, Ranking],
        k: int,
        curve_rate: float,
        rng: np.random.Generator,
        totals: Totals | None = None,
        hold: int = 0,
        cold: int | None = None,
        advance: Callable[[], None] = lambda: None,
    ) -> ScoredLists:
        """Rank every candidate by each ranking and keep the rows that matter.

        Parameters
        ----------
        blocks : iterable of FeatureBlock
            All candidates of each of their requests, with base scores and base ranks.
        rankings : mapping of str to Ranking
            Ranks by policy name.
        k : int
            Slots that are judged.
        curve_rate : float
            Share of rows drawn evenly for the curves.
        rng : numpy.random.Generator
            Draws that sample, and the salt of the hash below.
        totals : Totals, optional
            Total plays of the blocks' users, where effects on them are asked for.
        hold : int
            About how many of the kept rows keep their features: all of users drawn by hash.
        cold : int, optional
            Place among the features of the flag of cold items, where they are told apart.
        advance : callable
            Called once per block.

        Returns
        -------
        ScoredLists
            The kept rows.

        Raises
        ------
        OverlapError
            If no candidate of any request lies in the overlap band.
        """
        parts: list[_Part] = []
        for block in blocks:
            parts.append(
                self._keep(
                    block,
                    rankings,
                    k=k,
                    sample=rng.random(len(block)) < curve_rate,
                    totals=totals,
                    cold=cold,
                )
            )
            advance()
        salt = f"held-{rng.integers(2**32)}"
        return _join(parts, sample_weight=1.0 / curve_rate, hold=hold, salt=salt)

    def _keep(
        self,
        block: FeatureBlock,
        rankings: Mapping[str, Ranking],
        *,
        k: int,
        sample: NDArray[np.bool_],
        totals: Totals | None,
        cold: int | None,
    ) -> _Part:
        propensity = self.nuisances.propensity(block.features, block.user, logged=block.propensity)
        primary = inside(propensity, lowest=self.lowest_propensity)
        uplift = self.learner.predict(block.features).point
        request = block.request()
        keep = sample.copy()
        ranks, relaxed = {}, {}
        for name, ranking in rankings.items():
            listed = ranking(block, uplift, inside=primary, k=k)
            ranks[name], relaxed[name] = listed.rank, listed.relaxed
            keep |= primary & (ranks[name] <= k)
        alive = np.bincount(request, weights=primary) > 0
        keep &= alive[request]
        part = block.take(keep)
        judged = self.nuisances.predict(part.features, part.user, propensity=propensity[keep])
        gamma = np.full(len(part), np.nan)
        inner = primary[keep]
        if inner.any():
            gamma[inner] = judged.take(inner).scores(part.treatment[inner], part.outcome[inner])
        total_gamma = None
        if totals is not None:
            total_gamma = np.full(len(part), np.nan)
            comparable = part.take(inner)
            total_gamma[inner] = self.total.scores(
                comparable.features,
                comparable.user,
                total=totals.of(comparable),
                treatment=comparable.treatment,
                propensity=propensity[keep][inner],
            )
        return _Part(
            block=part,
            request=(np.cumsum(alive) - 1)[request[keep]],
            requests=int(alive.sum()),
            requests_left_out=int((~alive).sum()),
            played=np.bincount(request[primary & (block.outcome > 0)], minlength=alive.size)[alive],
            propensity=propensity[keep],
            gamma=gamma,
            total_gamma=total_gamma,
            ranks={name: rank[keep] for name, rank in ranks.items()},
            sample=sample[keep],
            uplift=uplift[keep],
            candidates=len(block),
            outside=int((~primary).sum()),
            relaxed=relaxed,
            cold=None
            if cold is None
            else ColdRows.of(block, place=cold, inside=primary, keep=keep, ranks=ranks),
        )


@dataclass(frozen=True)
class _Part:
    """The kept rows of one block."""

    block: FeatureBlock
    request: NDArray[np.int64]
    requests: int
    requests_left_out: int
    played: NDArray[np.int64]
    propensity: NDArray[np.float64]
    gamma: NDArray[np.float64]
    total_gamma: NDArray[np.float64] | None
    ranks: dict[str, NDArray[np.int64]]
    sample: NDArray[np.bool_]
    uplift: NDArray[np.float64]
    candidates: int
    outside: int
    relaxed: dict[str, dict[str, int]]
    cold: ColdRows | None


def _held(parts: list[_Part], user: NDArray[Any], *, hold: int, salt: str) -> HeldRows:
    chosen = np.zeros(len(user), dtype=bool)
    if hold:
        chosen = uniform_hash(user, salt=salt) < hold / len(user)
    ends = np.cumsum([len(part.block) for part in parts])
    features, horizon_end = [], []
    for part, mine in zip(parts, np.split(chosen, ends[:-1]), strict=True):
        features.append(part.block.features[mine])
        horizon_end.append(part.block.horizon_end[mine])
    return HeldRows(np.flatnonzero(chosen), np.concatenate(features), np.concatenate(horizon_end))


def _join(parts: list[_Part], *, sample_weight: float, hold: int, salt: str) -> ScoredLists:
    requests = sum(part.requests for part in parts)
    candidates = sum(part.candidates for part in parts)
    if requests == 0:
        raise OverlapError(
            expected="candidates that had a chance in both arms",
            came=f"none among {candidates} rows: every propensity lies outside the overlap band",
            do="A deterministic slate has no overlap: explore, and log the propensities.",
        )
    offsets = np.cumsum([0, *(part.requests for part in parts[:-1])])

    def all_of(get: Callable[[_Part], NDArray[Any]]) -> NDArray[np.float64]:
        return np.concatenate([get(part) for part in parts]).astype(np.float64, copy=False)

    sample = np.concatenate([part.sample for part in parts])
    user = np.concatenate([part.block.user for part in parts])
    rows = EvaluationRows(
        user=user,
        unit=np.concatenate([part.block.unit for part in parts]),
        request=np.concatenate(
            [part.request + offset for part, offset in zip(parts, offsets, strict=True)]
        ),
        treatment=all_of(lambda part: part.block.treatment),
        outcome=all_of(lambda part: part.block.outcome),
        propensity=all_of(lambda part: part.propensity),
        gamma=all_of(lambda part: part.gamma),
        rank={
            name: np.concatenate([part.ranks[name] for part in parts]) for name in parts[0].ranks
        },
        sample_weight=np.where(sample, sample_weight, 0.0),
        uplift=all_of(lambda part: part.uplift),
        base_score=all_of(lambda part: part.block.base_score),
        requests=requests,
        total_gamma=None
        if parts[0].total_gamma is None
        else all_of(lambda part: np.asarray(part.total_gamma)),
    )
    return ScoredLists(
        rows=rows,
        item=np.concatenate([part.block.item for part in parts]),
        t0=np.concatenate([part.block.t0 for part in parts]),
        covariates=np.concatenate([part.block.features[part.sample] for part in parts]),
        played=np.concatenate([part.played for part in parts]),
        candidates=candidates,
        outside=sum(part.outside for part in parts),
        requests_left_out=sum(part.requests_left_out for part in parts),
        held=_held(parts, user, hold=hold, salt=salt),
        relaxed={
            name: {rule: sum(part.relaxed[name][rule] for part in parts) for rule in rules}
            for name, rules in parts[0].relaxed.items()
        },
        cold=None
        if parts[0].cold is None
        else ColdRows.join([part.cold for part in parts if part.cold is not None]),
    )
