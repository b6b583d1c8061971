"""Every learner by its name."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from causal_ranker._extras import needs_package
from causal_ranker.errors import ConfigError
from causal_ranker.uplift.auto import AutoConfig, AutoLearner
from causal_ranker.uplift.base import UpliftModel
from causal_ranker.uplift.causalml_adapter import CausalMLLearner, importing_causalml
from causal_ranker.uplift.constant import ConstantEffect
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.econml_adapter import EconMLLearner, UserFolds
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.lightgbm_models import lightgbm_regressor
from causal_ranker.uplift.nuisance import OBJECTIVES
from causal_ranker.uplift.r import RLearner
from causal_ranker.uplift.s import SLearner
from causal_ranker.uplift.t import TLearner
from causal_ranker.uplift.wrapped import DEFAULTS
from causal_ranker.uplift.x import XLearner

if TYPE_CHECKING:
    import lightgbm

__all__ = ["LEARNERS", "is_foreign", "make_learner"]

#: econml grows the trees of its forests in groups of so many, for its intervals.
_SUBFOREST: Final = 4


def make_learner(learner: Any, *, config: LearnerConfig = DEFAULTS, seed: int = 0) -> UpliftModel:
    """Make an unfitted learner.

    Ours are ``constant``, ``s``, ``t``, ``x``, ``r`` and ``dr``, and ``auto``, which chooses among
    all of them but ``s``, an R-learner that is linear in the features, and a stack; it has final
    stages of its own (see `causal_ranker.uplift.auto`). econml's are ``econml_dr``
    (DRLearner), ``econml_linear_dr`` (LinearDRLearner), ``econml_nonparam_dml`` (NonParamDML) and
    ``econml_forest`` (CausalForestDML); causalml's are ``causalml_x`` (BaseXRegressor),
    ``causalml_r`` (BaseRRegressor) and ``causalml_forest`` (UpliftRandomForestClassifier).

    Those of other packages get the LightGBM models that ours would have: ``config.nuisance`` for
    the outcome, ``config.final`` for the effect, our folds of users where they cross-fit by user,
    and our cross-fitted propensities where none were logged. A forest has ``config.final.rounds``
    trees and keeps its package's other settings. Linear effects and forests get a column of 0
    and 1 for each category but the most frequent one.

    An estimator of theirs that you built keeps its models, but for that of the propensity, which
    is ours here too, so that overlap is looked at. `EconMLLearner(..., own_propensity=True)` and
    `CausalMLLearner` have more settings.

    Parameters
    ----------
    learner : str or object
        One of `LEARNERS`, or an estimator of econml or causalml.
    config : LearnerConfig
        Settings of nuisances, final stage and overlap.
    seed : int
        Decides folds and draws.

    Returns
    -------
    UpliftModel
        To be fitted.

    Raises
    ------
    ConfigError
        If it is none of these.
    MissingExtraError
        If the package that the learner comes from is not installed.
    """
    if is_foreign(learner):
        if _package(learner) == "econml":
            return _econml(learner, config, seed, one_hot=True)
        return CausalMLLearner(learner, config=config, one_hot=True, seed=seed)
    if learner not in LEARNERS:
        close = get_close_matches(str(learner), LEARNERS, n=1)
        raise ConfigError(
            expected=f"a learner: {', '.join(LEARNERS)}",
            came=repr(learner),
            do=f"Did you mean '{close[0]}'?" if close else "Take one of these.",
        )
    return _MAKERS[learner](config, seed)


def is_foreign(learner: Any) -> bool:
    """Say whether something is an estimator of econml or causalml, or derives from one.

    Parameters
    ----------
    learner : object
        Anything; neither package is imported to tell.

    Returns
    -------
    bool
        False for a class.
    """
    return not isinstance(learner, type) and _package(learner) != ""


def _package(learner: Any) -> str:
    homes = (each.__module__.partition(".")[0] for each in type(learner).__mro__)
    return next((home for home in homes if home in ("econml", "causalml")), "")


def _auto(config: LearnerConfig, seed: int) -> UpliftModel:
    return AutoLearner(config=AutoConfig(learner=config), seed=seed)


def _s(config: LearnerConfig, seed: int) -> UpliftModel:
    return SLearner(config=config, seed=seed)


def _t(config: LearnerConfig, seed: int) -> UpliftModel:
    return TLearner(config=config, seed=seed)


def _x(config: LearnerConfig, seed: int) -> UpliftModel:
    return XLearner(config=config, seed=seed)


def _r(config: LearnerConfig, seed: int) -> UpliftModel:
    return RLearner(config=config, seed=seed)


def _dr(config: LearnerConfig, seed: int) -> UpliftModel:
    return DRLearner(config=config, seed=seed)


def _constant(config: LearnerConfig, seed: int) -> UpliftModel:
    return ConstantEffect(config=config, seed=seed)


def _outcome(config: LearnerConfig, seed: int) -> lightgbm.LGBMRegressor:
    nuisance = config.nuisance
    return lightgbm_regressor(nuisance.outcome, objective=OBJECTIVES[nuisance.kind], seed=seed)


def _final(config: LearnerConfig, seed: int) -> lightgbm.LGBMRegressor:
    return lightgbm_regressor(config.final, objective="regression", seed=seed)


def _econml(
    estimator: Any, config: LearnerConfig, seed: int, *, one_hot: bool = False
) -> UpliftModel:
    return EconMLLearner(estimator, config=config, one_hot=one_hot, own_propensity=False, seed=seed)


def _shared(config: LearnerConfig, seed: int) -> dict[str, Any]:
    """Return what all estimators of econml are told."""
    folds = UserFolds(config.nuisance.folds, seed=seed)
    return {"cv": folds, "random_state": seed, "allow_missing": True}


def _econml_dr(config: LearnerConfig, seed: int) -> UpliftModel:
    with needs_package("econml"):
        from econml.dr import DRLearner as Estimator

    estimator = Estimator(
        model_regression=_outcome(config, seed),
        model_final=_final(config, seed),
        **_shared(config, seed),
    )
    return _econml(estimator, config, seed)


def _econml_linear_dr(config: LearnerConfig, seed: int) -> UpliftModel:
    with needs_package("econml"):
        from econml.dr import LinearDRLearner

    estimator = LinearDRLearner(model_regression=_outcome(config, seed), **_shared(config, seed))
    return _econml(estimator, config, seed, one_hot=True)


def _econml_nonparam_dml(config: LearnerConfig, seed: int) -> UpliftModel:
    with needs_package("econml"):
        from econml.dml import NonParamDML

    estimator = NonParamDML(
        model_y=_outcome(config, seed),
        model_t="auto",
        model_final=_final(config, seed),
        discrete_treatment=True,
        **_shared(config, seed),
    )
    return _econml(estimator, config, seed)


def _econml_forest(config: LearnerConfig, seed: int) -> UpliftModel:
    with needs_package("econml"):
        from econml.dml import CausalForestDML

    estimator = CausalForestDML(
        model_y=_outcome(config, seed),
        discrete_treatment=True,
        n_estimators=-(-config.final.rounds // _SUBFOREST) * _SUBFOREST,
        **_shared(config, seed),
    )
    return _econml(estimator, config, seed, one_hot=True)


def _causalml_x(config: LearnerConfig, seed: int) -> UpliftModel:
    with importing_causalml():
        from causalml.inference.meta import BaseXRegressor

    outcome, final = _outcome(config, seed), _final(config, seed)
    estimator = BaseXRegressor(
        control_outcome_learner=outcome,
        treatment_outcome_learner=outcome,
        control_effect_learner=final,
        treatment_effect_learner=final,
    )
    return CausalMLLearner(estimator, config=config, seed=seed)


def _causalml_r(config: LearnerConfig, seed: int) -> UpliftModel:
    with importing_causalml():
        from causalml.inference.meta import BaseRRegressor

    estimator = BaseRRegressor(
        outcome_learner=_outcome(config, seed),
        effect_learner=_final(config, seed),
        n_fold=config.nuisance.folds,
        random_state=seed,
    )
    return CausalMLLearner(estimator, config=config, seed=seed)


def _causalml_forest(config: LearnerConfig, seed: int) -> UpliftModel:
    with importing_causalml():
        from causalml.inference.tree import UpliftRandomForestClassifier

    estimator = UpliftRandomForestClassifier(
        control_name="control", n_estimators=config.final.rounds, random_state=seed
    )
    return CausalMLLearner(estimator, config=config, one_hot=True, seed=seed)


_MAKERS: Final[dict[str, Callable[[LearnerConfig, int], UpliftModel]]] = {
    "auto": _auto,
    "constant": _constant,
    "s": _s,
    "t": _t,
    "x": _x,
    "r": _r,
    "dr": _dr,
    "econml_dr": _econml_dr,
    "econml_linear_dr": _econml_linear_dr,
    "econml_nonparam_dml": _econml_nonparam_dml,
    "econml_forest": _econml_forest,
    "causalml_x": _causalml_x,
    "causalml_r": _causalml_r,
    "causalml_forest": _causalml_forest,
}
#: Names of all learners: the one that chooses, the constant effect, ours, econml's, causalml's.
LEARNERS: Final = tuple(_MAKERS)
