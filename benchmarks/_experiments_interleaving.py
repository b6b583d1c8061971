"""Users that interleaving needs, against a test of two arms on users' total plays.

In the grocery world (worlds/semisynthetic) every pair of household and product type has known
P(Y(1)) and P(Y(0)). Two rankers are compared twice: by interleaving, where each household has one
list of both, and by a test in which each household has one ranker's list and what counts is all
that it buys. A false sign is an estimate on the wrong side of 0. Users needed are those at which
the simulated rate of false signs is 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks._causal_worlds import WORLDS, planted_world
from causal_ranker.experiments.interleaving.lists import causal_balanced
from causal_ranker.experiments.interleaving.uplift import interleaved_uplift
from causal_ranker.seeds import stage_rng
from causal_ranker.worlds.semisynthetic.pair_world import PairWorld

__all__ = ["run"]

Array = NDArray[np.float64]

_SLOTS = 10
_FALSE_SIGNS = 0.05
#: How far from the normal approximation's number of users rates are simulated.
_AROUND = (0.5, 0.75, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class _Rivals:
    """Two rankers' lists, as columns of the world."""

    first: NDArray[np.int64]  # (users, slots)
    second: NDArray[np.int64]


def run(*, quick: bool) -> dict[str, float]:
    """Measure bias and needed users.

    Parameters
    ----------
    quick : bool
        A small world that is made up, and few draws.

    Returns
    -------
    dict of str to float
        ``interleaving_user_ratio`` (users of interleaving per user of the test on totals; the
        largest over comparisons), the same and the numbers of users of each comparison, and
        ``interleaving_bias`` with its 95 % interval, in extra plays per slot, the mean over
        comparisons.
    """
    world = planted_world("planted", users=100) if quick else WORLDS["grocery"]()
    rounds, repeats = (10, 100) if quick else (60, 4_000)
    found: dict[str, float] = {}
    ratios, biases = [], []
    for name, rivals in _rivals(world).items():
        rng = stage_rng(0, f"interleaving/{name}")
        effect = [
            np.take_along_axis(world.effect, side, 1) for side in (rivals.first, rivals.second)
        ]
        true = float(effect[0].mean(dtype=np.float64) - effect[1].mean(dtype=np.float64))
        pool = _interleaved(world, rivals, rounds=rounds, rng=rng)
        totals = [
            _totals(world, side, rounds=max(2, rounds // 6), rng=rng)
            for side in (rivals.first, rivals.second)
        ]
        ours = _users_needed([pool], true, repeats=repeats, rng=rng)
        theirs = _users_needed(totals, true, repeats=repeats, rng=rng)
        found[f"interleaving_users_{name}"] = ours
        found[f"ab_users_{name}"] = theirs
        found[f"interleaving_user_ratio_{name}"] = ours / theirs
        ratios.append(ours / theirs)
        biases.append(pool.mean(axis=1) - true)
    rounds_bias = np.mean(biases, axis=0)
    bias = float(rounds_bias.mean())
    error = float(rounds_bias.std(ddof=1)) / np.sqrt(rounds)
    return {
        "interleaving_user_ratio": max(ratios),
        "interleaving_bias": bias,
        "interleaving_bias_low": bias - 1.96 * error,
        "interleaving_bias_high": bias + 1.96 * error,
        **found,
    }


def _rivals(world: PairWorld) -> dict[str, _Rivals]:
    """Return the comparisons: one list for everyone, and lists of each user's own.

    For everyone: what is played most in a log, against what gains most by being shown. Each user's
    own: by P(Y(1)) and by effect, with noise, as no ranker that is trained knows them.
    """
    shape = world.effect.shape
    rng = stage_rng(0, "interleaving/rankers")
    logged = np.where(
        rng.random(shape) < world.propensity, world.played_if_shown, world.played_if_not
    )
    odds = np.log(world.played_if_shown + 1e-3) - np.log(1 + 1e-3 - world.played_if_shown)

    def best(score: NDArray[np.floating]) -> NDArray[np.int64]:
        return np.argsort(-np.broadcast_to(score, shape), axis=1, kind="stable")[:, :_SLOTS]

    return {
        "popular": _Rivals(best(logged.mean(0)), best(world.effect.mean(0))),
        "personal": _Rivals(
            best(odds + rng.normal(0, 0.5, shape)),
            best(world.effect + rng.normal(0, 0.03, shape)),
        ),
    }


def _interleaved(
    world: PairWorld, rivals: _Rivals, *, rounds: int, rng: np.random.Generator
) -> Array:
    """Return each user's estimate of the difference, shape (rounds, users)."""
    member = np.zeros((2, *world.effect.shape), dtype=np.bool_)
    for flags, side in zip(member, (rivals.first, rivals.second), strict=True):
        np.put_along_axis(flags, side, True, axis=1)
    user, item = np.nonzero(member.any(axis=0))
    in_first, in_second = member[:, user, item]
    chances = [values[user, item] for values in (world.played_if_not, world.played_if_shown)]
    estimates = np.empty((rounds, len(world.users)))
    for at in range(rounds):
        placed = np.zeros(world.effect.shape, dtype=np.bool_)
        drawn = causal_balanced(rivals.first, rivals.second, rng=rng).items
        np.put_along_axis(placed, drawn, True, axis=1)
        shown = placed[user, item]
        outcome = rng.random(user.size) < np.where(shown, chances[1], chances[0])
        estimates[at] = interleaved_uplift(
            user,
            in_first=in_first,
            in_second=in_second,
            shown=shown,
            outcome=outcome,
            user=user,
        ).by_request
    return estimates


def _totals(
    world: PairWorld, lists: NDArray[np.int64], *, rounds: int, rng: np.random.Generator
) -> Array:
    """Return each user's plays of anything per slot of a list, shape (rounds, users)."""
    shown = np.zeros(world.effect.shape, dtype=np.bool_)
    np.put_along_axis(shown, lists, True, axis=1)
    chance = np.where(shown, world.played_if_shown, world.played_if_not)
    draws = [rng.random(chance.shape, dtype=np.float32) < chance for _ in range(rounds)]
    return np.array([each.sum(axis=1) / lists.shape[1] for each in draws])


def _users_needed(
    arms: list[Array], true: float, *, repeats: int, rng: np.random.Generator
) -> float:
    """Return how many users have a false sign in 5 % of tests: of one pool, or of two arms.

    Tests are drawn from users who were simulated. Their mean is moved to the truth, or it would be
    their own effect that the tests find: bias is measured apart. Rates are simulated about the
    normal approximation; through them goes the curve ``rate(n) = Phi(-b sqrt(n))``, which gives
    the number between.
    """
    from scipy.stats import norm

    mean = arms[0].mean() - (arms[1].mean() if len(arms) == 2 else 0.0)
    arms = [arms[0] + (true - mean), *arms[1:]]
    spread = len(arms) * sum(float(arm.var()) for arm in arms)
    z = float(norm.isf(_FALSE_SIGNS))
    guess = z**2 * spread / true**2
    sizes = np.array([max(1, round(guess * factor / len(arms))) for factor in _AROUND])
    rates = [_false_signs(arms, true, size=int(n), repeats=repeats, rng=rng) for n in sizes]
    depth = norm.isf(np.clip(rates, 0.5 / repeats, 0.5))
    root = np.sqrt(sizes * len(arms))
    slope = float(root @ depth / (root @ root))
    return float((z / slope) ** 2)


def _false_signs(
    arms: list[Array], true: float, *, size: int, repeats: int, rng: np.random.Generator
) -> float:
    means = []
    for arm in arms:
        values = arm.ravel()
        # Some at a time: all draws of a large test at once would not fit in memory.
        some = max(1, 2_000_000 // size)
        parts = [
            values[rng.integers(0, values.size, (min(some, repeats - at), size))].mean(axis=1)
            for at in range(0, repeats, some)
        ]
        means.append(np.concatenate(parts))
    difference = means[0] - means[1] if len(means) == 2 else means[0]
    right = np.sign(difference) * np.sign(true)
    return float((right < 0).mean() + (right == 0).mean() / 2)
