"""Estimators of a new policy's value: what each logged list adds, slot by slot.

With rewards ``r_k``, prefix weights ``w_1:k``, slot weights ``w(a_k)``, whole-list weights
``w = w_1:L`` and a model's ``q_k``, a list adds

- ``dm``: ``sum_k E q_k``;
- ``ips`` and ``snips``: ``w sum_k r_k``, the latter over the mean of w;
- ``dr``: ``sum_k E q_k + w sum_k (r_k - q_k)`` (Dudik et al., 2011; a list as one action);
- ``iips``: ``sum_k w(a_k) r_k`` (Li et al., 2018);
- ``rips``: ``sum_k w_1:k r_k`` (McInerney et al., 2020);
- ``cascade_dr``: ``sum_k [w_1:k (r_k - q_k - c_k) + w_1:k-1 (E(q_k | a_1:k-1) + c_k)]`` with the
  value to go ``c_k = sum_j>k E q_j`` (Kiyohara et al., 2022, whose value to go is that after the
  items above; here it is that of a new list, which is as unbiased, and as exact where what stands
  above does not change what is chosen below);
- ``pi``: ``q' pinv(Gamma) 1_a sum_k r_k`` (Swaminathan et al., 2017);
- ``switch`` and ``shrinkage``: ``sum_k [E q_k + s(w_1:k) (r_k - q_k)]`` with ``s(w) = w`` up to a
  bound and 0 above it (Wang et al., 2017), or ``lambda w / (w^2 + lambda)`` (Su et al., 2020).

With one slot ips, iips, rips and pi are the same, and so are dr and cascade_dr. The interval of dm
leaves out the error of the model, which the log cannot tell; those of switch and shrinkage leave
out the bias that they take on, and the choice of their setting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from causal_ranker.errors import ConfigError
from causal_ranker.evaluation.ope.config import OpeConfig
from causal_ranker.evaluation.ope.model import ModelValues
from causal_ranker.evaluation.ope.policies import Array
from causal_ranker.evaluation.ope.slates import LoggedSlates
from causal_ranker.evaluation.ope.weights import ListWeights
from causal_ranker.stats.intervals import clustered_mean

__all__ = ["ESTIMATORS", "Added", "Estimator", "Logs"]

_QUANTILES: Final = (0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
# Of lambda by the largest weight: what it takes off is one part in a million.
_UNTAMED: Final = 1e3


@dataclass(frozen=True)
class Logs:
    """What estimators read.

    Parameters
    ----------
    slates : LoggedSlates
        Lists and rewards.
    weights : ListWeights
        Of the same lists.
    model : ModelValues, optional
        What a model says about them.
    config : OpeConfig
        Caps and bounds.
    """

    slates: LoggedSlates
    weights: ListWeights
    model: ModelValues | None
    config: OpeConfig

    def modelled(self, name: str) -> ModelValues:
        """Return the model's values.

        Parameters
        ----------
        name : str
            The estimator that asks.

        Returns
        -------
        ModelValues
            Of every list and slot.

        Raises
        ------
        ConfigError
            If there is no model.
        """
        if self.model is None:
            raise ConfigError(
                expected=f"predicted rewards for {name!r}",
                came="none",
                do="Pass predictions=..., or leave this estimator out.",
            )
        return self.model


@dataclass(frozen=True)
class Added:
    """What each list adds to an estimate.

    Parameters
    ----------
    by_slot : ndarray of float64, shape (n, L)
        The estimate is their sum over slots, averaged over lists.
    used : ndarray of float64, shape (n, columns), or None
        The weights in it, after any cap; None where it has none.
    share_capped : float
        Share of weights above the cap.
    share_kept : float
        Share of the size of weights that caps and taming left, the smallest over columns.
    normalised : bool
        Whether the average is over weights (the first column of `used`) in place of lists.
    setting : float, optional
        The bound or lambda that was used.
    """

    by_slot: Array
    used: Array | None
    share_capped: float = 0.0
    share_kept: float = 1.0
    normalised: bool = False
    setting: float | None = None


@dataclass(frozen=True)
class Estimator:
    """One estimator.

    Parameters
    ----------
    add : callable
        From the logs to what each list adds.
    assumes : str
        What must hold beyond known propensities and support, in a few words.
    whole_lists : bool
        Whether whole lists need support; else each slot by itself.
    needs_model : bool
        Whether it reads a model.
    """

    add: Callable[[Logs], Added]
    assumes: str
    whole_lists: bool = True
    needs_model: bool = False


def _capped(weights: Array, config: OpeConfig) -> tuple[Array, float]:
    if config.cap is None:
        return weights, 0.0
    kept: Array = np.clip(weights, -config.cap, config.cap)
    return kept, float(np.mean(np.abs(weights) > config.cap))


def _share_kept(used: Array, raw: Array) -> float:
    largest = np.abs(raw).max(axis=0)
    if not largest.all():
        return 1.0  # nothing was there to be lost; without effective lists it is refused anyway
    left, all_of_it = (np.abs(weights / largest).sum(axis=0) for weights in (used, raw))
    return float((left / all_of_it).min())


def _weighted(logs: Logs, weights: Array, *, normalised: bool = False) -> Added:
    kept, share = _capped(weights, logs.config)
    return Added(
        kept * logs.slates.reward, kept, share, _share_kept(kept, weights), normalised=normalised
    )


def _dm(logs: Logs) -> Added:
    return Added(logs.modelled("dm").value, None)


def _ips(logs: Logs) -> Added:
    return _weighted(logs, logs.weights.prefix[:, -1:])


def _snips(logs: Logs) -> Added:
    return _weighted(logs, logs.weights.prefix[:, -1:], normalised=True)


def _dr(logs: Logs) -> Added:
    model = logs.modelled("dr")
    raw = logs.weights.prefix[:, -1:]
    kept, share = _capped(raw, logs.config)
    added = model.value + kept * (logs.slates.reward - model.logged)
    return Added(added, kept, share, _share_kept(kept, raw))


def _iips(logs: Logs) -> Added:
    return _weighted(logs, logs.weights.slot)


def _rips(logs: Logs) -> Added:
    return _weighted(logs, logs.weights.prefix)


def _cascade_dr(logs: Logs) -> Added:
    model = logs.modelled("cascade_dr")
    kept, share = _capped(logs.weights.prefix, logs.config)
    before = np.column_stack([np.ones(len(kept)), kept[:, :-1]])
    # what slots below will bring moves with the prefix weight too: it is taken off and given back
    to_go = model.value.sum(axis=1, keepdims=True) - np.cumsum(model.value, axis=1)
    residual = logs.slates.reward - model.logged - to_go
    added = kept * residual + before * (model.after + to_go)
    return Added(added, kept, share, _share_kept(kept, logs.weights.prefix))


def _pi(logs: Logs) -> Added:
    return _weighted(logs, logs.weights.linear[:, None])


def _switch(logs: Logs) -> Added:
    def bounded(weights: Array, bound: float) -> Array:
        return np.where(weights <= bound, weights, 0.0)

    return _corrected(logs, "switch", bounded, asked=logs.config.switch, power=1)


def _shrinkage(logs: Logs) -> Added:
    def shrunk(weights: Array, strength: float) -> Array:
        # lambda w / (w^2 + lambda), whose square may overflow
        shares: Array = weights / (np.square(weights / np.sqrt(strength)) + 1.0)
        return shares

    return _corrected(logs, "shrinkage", shrunk, asked=logs.config.shrinkage, power=2)


def _corrected(
    logs: Logs,
    name: str,
    tamed: Callable[[Array, float], Array],
    *,
    asked: float | None,
    power: int,
) -> Added:
    model = logs.modelled(name)
    capped, share = _capped(logs.weights.prefix, logs.config)
    residual = logs.slates.reward - model.logged

    def with_setting(setting: float) -> Array:
        return model.value + tamed(capped, setting) * residual

    if asked is None:
        positive = capped[capped > 0]
        levels = np.unique(np.quantile(positive, _QUANTILES)) if positive.size else np.ones(1)
        choices = [float(level) ** power for level in levels]
        if (
            power == 2
        ):  # lambda of the largest weight still halves it: leaving all alone is a choice
            choices.append(float(_UNTAMED * levels[-1]) ** power)
        least = logs.config.least_kept_share
        choices = [
            each
            for each in choices
            if each == choices[-1] or _share_kept(tamed(capped, each), capped) >= least
        ]
        risk = [
            _risk(logs, with_setting(each), (tamed(capped, each) - capped) * residual)
            for each in choices
        ]
        asked = choices[int(np.argmin(risk))]
    used = tamed(capped, asked)
    kept = _share_kept(used, logs.weights.prefix)
    return Added(with_setting(asked), used, share, kept, setting=asked)


def _risk(logs: Logs, added: Array, left_out: Array) -> float:
    """Estimate variance plus squared bias: what taming leaves out is the bias, on average."""
    slates = logs.slates
    interval = clustered_mean(added.sum(axis=1), slates.user, second_cluster=slates.second_cluster)
    return interval.standard_error**2 + float(left_out.sum(axis=1).mean()) ** 2


#: The estimators by name.
ESTIMATORS: Final[Mapping[str, Estimator]] = MappingProxyType(
    {
        "dm": Estimator(
            _dm, "the model is right: the interval leaves out its error", needs_model=True
        ),
        "ips": Estimator(_ips, "nothing about slots"),
        "snips": Estimator(_snips, "nothing about slots"),
        "dr": Estimator(_dr, "nothing about slots", needs_model=True),
        "iips": Estimator(_iips, "a slot's reward depends on its own item only", whole_lists=False),
        "rips": Estimator(_rips, "a slot's reward depends on its item and those above"),
        "cascade_dr": Estimator(
            _cascade_dr, "a slot's reward depends on its item and those above", needs_model=True
        ),
        "pi": Estimator(
            _pi, "a list's reward is a sum over its items in their slots", whole_lists=False
        ),
        "switch": Estimator(
            _switch,
            "as rips; the model is right where weights are large",
            needs_model=True,
        ),
        "shrinkage": Estimator(
            _shrinkage,
            "as rips; the model is right where weights are large",
            needs_model=True,
        ),
    }
)
