"""Every collaborative ranker by its name."""

from __future__ import annotations

from difflib import get_close_matches
from functools import partial
from typing import Any, Final

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError
from causal_ranker.uplift.collaborative.base import PairModel
from causal_ranker.uplift.collaborative.cause import CausE
from causal_ranker.uplift.collaborative.dlce import BLCE, DLCE, DLTO
from causal_ranker.uplift.collaborative.neighbours import NeighbourModel
from causal_ranker.uplift.collaborative.pairwise import BPR, ULBPR
from causal_ranker.uplift.collaborative.pointwise import MF, ULRMF
from causal_ranker.uplift.collaborative.popularity import PopularityRanker, RandomRanker

__all__ = ["METHODS", "make_pair_model"]

#: Each takes ``config=`` (None for its defaults) and ``seed=``.
_MAKERS: Final[dict[str, Any]] = {
    "random": RandomRanker,
    "popularity": PopularityRanker,
    "mf": MF,
    "bpr": BPR,
    "ulrmf": ULRMF,
    "ulbpr": ULBPR,
    "cause": CausE,
    "cubn_o": partial(NeighbourModel, among="users", alike="outcomes"),
    "cubn_t": partial(NeighbourModel, among="users", alike="exposures"),
    "cibn_o": partial(NeighbourModel, among="items", alike="outcomes"),
    "cibn_t": partial(NeighbourModel, among="items", alike="exposures"),
    "dlce": DLCE,
    "dlto": DLTO,
    "blce": BLCE,
}
#: Names of all methods.
METHODS: Final = tuple(_MAKERS)


def make_pair_model(name: str, *, config: FrozenConfig | None = None, seed: int = 0) -> PairModel:
    """Make an unfitted collaborative ranker.

    ``random``, ``popularity``, ``mf`` and ``bpr`` rank by who plays what at most, and are there to
    be compared with. ``ulrmf`` and ``ulbpr`` sort pairs by what was shown and played, ``cause``
    compares factors of those shown and of those not, ``cubn`` and ``cibn`` compare plays among
    similar users and similar items (``_o``: in what was played, ``_t``: in what was shown), and
    ``dlce`` weights plays by the inverse of their propensities (``dlto`` those that were shown
    alone; ``blce`` without weights).

    Parameters
    ----------
    name : str
        One of `METHODS`.
    config : FrozenConfig, optional
        The method's own settings, e.g. a `DLCEConfig`; its defaults otherwise.
    seed : int
        Decides draws.

    Returns
    -------
    PairModel
        To be fitted.

    Raises
    ------
    ConfigError
        If the name is none of these, or the config is another method's.
    """
    if name not in _MAKERS:
        close = get_close_matches(name, METHODS, n=1)
        raise ConfigError(
            expected=f"a collaborative method: {', '.join(METHODS)}",
            came=repr(name),
            do=f"Did you mean '{close[0]}'?" if close else "Take one of these.",
        )
    model: PairModel = _MAKERS[name](config=config, seed=seed)
    return model
