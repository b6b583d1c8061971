"""Pairs with propensities, by the name of how these are come by."""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError, RowError
from causal_ranker.uplift.collaborative.fitted_propensity import (
    PropensityConfig,
    fit_pair_propensity,
    popularity_propensity,
)
from causal_ranker.uplift.collaborative.interactions import Interactions
from causal_ranker.uplift.collaborative.pair_propensity import with_propensity
from causal_ranker.uplift.collaborative.propcare import PropCareConfig, fit_propcare

__all__ = ["PAIR_PROPENSITIES", "PairPropensityKind", "with_propensities"]

#: As they were logged; from how much is shown of an item and to a user; fitted to all exposures;
#: or, where nothing is known of exposures, from plays.
PairPropensityKind = Literal["logged", "popularity", "fitted", "propcare"]
PAIR_PROPENSITIES: Final = get_args(PairPropensityKind)


def with_propensities(
    interactions: Interactions,
    kind: PairPropensityKind,
    *,
    config: FrozenConfig | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Interactions:
    """Give pairs propensities.

    Parameters
    ----------
    interactions : Interactions
        Shown or played pairs; left as they are.
    kind : {"logged", "popularity", "fitted", "propcare"}
        ``propcare`` infers what was shown, too: exposures that are listed are not read.
    config : PropensityConfig or PropCareConfig, optional
        Of ``fitted`` and ``propcare``; their defaults otherwise.
    seed : int
        Decides what these two draw.
    progress : bool
        Draw their bars on standard error.

    Returns
    -------
    Interactions
        The same pairs, or with ``propcare`` those that were played or inferred to be shown.

    Raises
    ------
    ConfigError
        If the kind is none of these, or the config is another kind's.
    RowError
        If propensities are to be the logged ones and some are missing.
    EmptyError
        If nothing was shown, or with ``propcare`` nothing was played.
    OverlapError
        If everything was shown.
    """
    if kind not in PAIR_PROPENSITIES:
        raise ConfigError(
            expected=f"a kind of propensities: {', '.join(PAIR_PROPENSITIES)}",
            came=repr(kind),
            do="Take one of these.",
        )
    if kind == "fitted" and (config is None or isinstance(config, PropensityConfig)):
        fitted = fit_pair_propensity(interactions, config=config, seed=seed, progress=progress)
        return with_propensity(interactions, fitted)
    if kind == "propcare" and (config is None or isinstance(config, PropCareConfig)):
        found = fit_propcare(interactions, config=config, seed=seed, progress=progress)
        return found.infer(interactions)
    if config is not None:
        raise ConfigError(
            expected=f"the config of propensities that are '{kind}', where there is one",
            came=f"a {type(config).__name__}",
            do="Give a PropensityConfig to 'fitted', a PropCareConfig to 'propcare', or none.",
        )
    if kind == "popularity":
        return with_propensity(interactions, popularity_propensity(interactions))
    return _logged(interactions)


def _logged(interactions: Interactions) -> Interactions:
    missing = np.flatnonzero(np.isnan(interactions.propensity))
    if missing.size:
        raise RowError(
            expected="the logged propensity of every pair",
            came=f"{missing.size} of {len(interactions)} pairs without, e.g. in rows "
            f"{missing[:3].tolist()}",
            do="Log them for every pair, or have them fitted.",
        )
    return interactions
