"""The rows of the table: how each method comes to its scores of all pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks._causal_draws import Given, Knows
from benchmarks._causal_features import PairTable, pair_table
from benchmarks._causal_logits import ODDS, LogOdds
from benchmarks._causal_ranges import RANGES
from benchmarks._causal_tabular import TABULAR, labelled, prepared
from benchmarks._causal_told import TrueStop
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError
from causal_ranker.uplift.collaborative.base import FactorConfig, PairModel
from causal_ranker.uplift.collaborative.cause import CausEConfig
from causal_ranker.uplift.collaborative.dlce import DLCEConfig, DLTOConfig
from causal_ranker.uplift.collaborative.early import EarlyStop
from causal_ranker.uplift.collaborative.factory import make_pair_model
from causal_ranker.uplift.collaborative.interactions import Interactions
from causal_ranker.uplift.collaborative.neighbours import NeighbourConfig
from causal_ranker.uplift.collaborative.pairwise import BPRConfig, ULBPRConfig
from causal_ranker.uplift.collaborative.pointwise import MFConfig, ULRMFConfig

if TYPE_CHECKING:
    from causal_ranker.worlds.semisynthetic.pair_world import PairDraw

__all__ = [
    "BOTH",
    "CAP",
    "EPOCHS",
    "METHODS",
    "ORACLE",
    "OURS",
    "OVERLAP",
    "STACK",
    "THEIRS",
    "TOLD",
    "Chosen",
    "Method",
    "early_stop",
    "features",
    "fitted",
    "scores",
]

Scores = NDArray[np.float32]
#: What was chosen for each method: its settings, and "epochs" where it has some.
Chosen = Mapping[str, Mapping[str, Any]]

#: Pairs with a propensity nearer to 0 or 1 than this tell little of effects: they are left out.
OVERLAP: Final = 0.005
#: Largest inverse propensity in estimates. Of DLCE's twelve settings among the films, capped at 20
#: estimates differ by three standard errors of a paired difference; without a cap, by one, and
#: the best would be the luckiest.
CAP: Final = 20.0
#: Epochs between two looks, and looks without a better value after which a fit ends: small first
#: factors make a plateau, which a fit should outlive.
_EVERY: Final = 3
_PATIENCE: Final = 5
#: Of a learning rate at which a fit diverges.
_HALVINGS: Final = 5
#: Epochs, at most.
EPOCHS: Final = 100
#: Methods whose scores are columns of the tabular learners.
_COLUMNS: Final = ("dlce",)


_CONFIGS: Final[Mapping[str, type[FrozenConfig]]] = {
    "bpr": BPRConfig,
    "mf": MFConfig,
    "ulrmf": ULRMFConfig,
    "ulbpr": ULBPRConfig,
    "cause": CausEConfig,
    **dict.fromkeys(("cubn_o", "cubn_t", "cibn_o", "cibn_t"), NeighbourConfig),
    "dlto": DLTOConfig,
    "dlce": DLCEConfig,
}


@dataclass(frozen=True)
class Method:
    """One row.

    Parameters
    ----------
    name : str
        What is printed.
    key : str
        What the ranges call it, and the package if it is a pair model.
    knows : {"true", "estimated"}
        Propensities that it learns by. What stops it early and chooses its settings is estimated by
        the same propensities for every method: estimated ones. By true ones, most plays of a world
        whose recommender is nearly sure of its first items would be left out, and them with it.
    both : bool
        Whether it learns from both logs: a model from each, stopped by the other, whose scores are
        averaged. So each has the budget of a row that learns from one.
    accurate : bool
        Whether it is to rank by what is played, so that its settings, the epochs among them, are
        chosen by NDCG of plays: by an estimated effect it would be best untrained.
    told : bool
        Whether its settings and its epoch are chosen by the true CDCG of the second draw, as the
        papers' could be, and nobody's outside a world.
    """

    name: str
    key: str
    knows: Knows = "estimated"
    both: bool = False
    accurate: bool = False
    told: bool = False

    @property
    def searched(self) -> str:
        """What its chosen settings are filed under."""
        by = f"{self.key}_true" if self.knows == "true" else self.key
        return f"{by}_told" if self.told else by

    @property
    def estimates(self) -> bool:
        """Whether estimated propensities are needed first."""
        return self.key in RANGES and not self.accurate and not self.told

    @property
    def tabular(self) -> bool:
        """Whether it learns from columns."""
        return self.key in TABULAR


#: What is compared, by paired intervals. `auto` is ours, as it is what chooses by itself.
OURS: Final = "auto"
STACK: Final = "stack"
THEIRS: Final = "dlce, true p"
BOTH: Final = "dlce, true p, both logs"
#: DLCE and CausE as in the papers: told which settings and which epoch are best on the second draw.
TOLD: Final = ("dlce, true p, told", "cause, told")
#: Who knows the expected effects.
ORACLE: Final = "oracle"
METHODS: Final = (
    Method("random", "random"),
    Method("popularity", "popularity"),
    Method("bpr", "bpr", accurate=True),
    Method("mf", "mf", accurate=True),
    Method("ulrmf", "ulrmf"),
    Method("ulbpr", "ulbpr"),
    Method("cause", "cause"),
    Method("cubn-o", "cubn_o"),
    Method("cubn-t", "cubn_t"),
    Method("cibn-o", "cibn_o"),
    Method("cibn-t", "cibn_t"),
    Method("dlto, estimated p", "dlto"),
    Method("dlce, estimated p", "dlce"),
    Method(THEIRS, "dlce", knows="true"),
    Method(BOTH, "dlce", knows="true", both=True),
    Method(TOLD[0], "dlce", knows="true", told=True),
    Method(TOLD[1], "cause", told=True),
    Method("dr", "dr"),
    Method(OURS, "auto"),
    Method(STACK, "stack"),
)


def fitted(
    method: Method, given: Given, *, settings: Mapping[str, Any], truth: PairDraw | None = None
) -> PairModel:
    """Fit a pair model on the first log, and keep the epoch whose estimate on the second is best.

    Parameters
    ----------
    method : Method
        Not a tabular one.
    given : Given
        The logs.
    settings : mapping
        Of its config.
    truth : PairDraw, optional
        The second draw, for a method that is told.

    Returns
    -------
    PairModel
        Fitted.
    """
    make = _CONFIGS.get(method.key)
    most = {"epochs": EPOCHS} if make is not None and issubclass(make, FactorConfig) else {}
    config = None if make is None else make(**(most | dict(settings)))
    model = make_pair_model(method.key, config=config, seed=given.seed)
    early = None if method.accurate else early_stop(given.validate["estimated"])
    if truth is not None:
        early = TrueStop(given.validate["true"], every=_EVERY, patience=_PATIENCE, draw=truth)
    return model.fit(given.train[method.knows], early=early)


def early_stop(validation: Interactions) -> EarlyStop:
    """Say when a fit ends.

    Parameters
    ----------
    validation : Interactions
        Pairs to estimate CDCG on.

    Returns
    -------
    EarlyStop
        The same for every method.
    """
    return EarlyStop(validation, every=_EVERY, patience=_PATIENCE, cap=CAP, overlap=OVERLAP)


def features(given: Given, *, chosen: Chosen) -> list[PairTable]:
    """Describe all pairs by either log.

    Parameters
    ----------
    given : Given
        The logs.
    chosen : mapping
        Settings and epochs of the models whose scores are columns.

    Returns
    -------
    list of PairTable
        By the first log, which is known when the second begins; and by the second.
    """
    methods: dict[str, PairModel] = {key: _pair_model(key, given, chosen[key]) for key in _COLUMNS}
    methods |= {of: LogOdds(of, seed=given.seed) for of in ODDS}
    logs = given.train["estimated"], given.validate["estimated"]
    return [pair_table(log, methods, seed=given.seed) for log in logs]


def _pair_model(key: str, given: Given, chosen: Mapping[str, Any]) -> PairModel:
    config = _CONFIGS[key](**chosen["settings"], epochs=chosen["epochs"])
    return make_pair_model(key, config=config, seed=given.seed)


def scores(
    method: Method,
    given: Given,
    *,
    tables: Sequence[PairTable],
    chosen: Chosen,
    truth: PairDraw | None = None,
) -> Scores:
    """Learn, and score every pair.

    Parameters
    ----------
    method : Method
        Which.
    given : Given
        The logs.
    tables : sequence of PairTable
        Of `features`.
    chosen : mapping
        Settings of each method.
    truth : PairDraw, optional
        The second draw, for a method that is told.

    Returns
    -------
    ndarray of float32, shape (n_users, n_items)
        Larger is to be shown first.
    """
    found = chosen.get(method.searched, {})
    settings = found.get("settings", {})
    if method.tabular:
        log = given.validate["estimated"]
        rows = labelled(tables[0], log, users=np.arange(log.n_users), seed=given.seed)
        learned = prepared(method.key, rows, seed=given.seed)(settings)
        effect = np.mean([learned(each.features) for each in tables], axis=0, dtype=np.float32)
        return np.asarray(effect).reshape(log.n_users, log.n_items)
    users = np.arange(given.train["true"].n_users)
    logs = [given, _swapped(given)] if method.both else [given]
    models = [_fitted_slowly(method, each, settings=settings, truth=truth) for each in logs]
    return np.asarray(np.mean([each.score_users(users) for each in models], axis=0))


def _swapped(given: Given) -> Given:
    return replace(given, train=given.validate, validate=given.train)


def _fitted_slowly(
    method: Method, given: Given, *, settings: Mapping[str, Any], truth: PairDraw | None
) -> PairModel:
    """Fit; where learning diverges, which did not in the search, at half the learning rate."""
    slower = dict(settings)
    for _ in range(_HALVINGS):
        try:
            return fitted(method, given, settings=slower, truth=truth)
        except ConfigError:
            slower["learning_rate"] /= 2
    return fitted(method, given, settings=slower, truth=truth)
