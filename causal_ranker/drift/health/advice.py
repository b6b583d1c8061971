"""What an alarm about a model means, and what it calls for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from causal_ranker.drift.columns import AlertLevel
from causal_ranker.drift.verdict import Advice, Finding

__all__ = ["finding_of"]

#: From this share of lists in base order, or of predictions missing, the model serves no more.
_STOP: Final = 0.5


@dataclass(frozen=True)
class _Call:
    what: str
    watch: Advice
    alarm: Advice
    do: str


_MATURE: Final = "watch them, and the effect once its outcomes have matured"
_CALLS: Final[Mapping[str, _Call]] = {
    "base_score": _Call("base scores moved", "watch", "retrain", _MATURE),
    "score": _Call("the policy's scores moved", "watch", "retrain", _MATURE),
    "uplift": _Call("predicted uplift moved", "watch", "retrain", _MATURE),
    "chance": _Call("predicted chances of a play moved", "watch", "retrain", _MATURE),
    "missing": _Call("predictions are missing", "watch", "retrain", "see why they are missing"),
    "propensity": _Call(
        "propensities moved", "watch", "watch", "see what changed in how lists are drawn"
    ),
    "changed": _Call(
        "the share of lists that the policy changes moved",
        "watch",
        "watch",
        "see whether the policy still acts as it should",
    ),
    "fallback": _Call("the fall-back rate moved", "watch", "retrain", "see the service's log"),
    "organic": _Call(
        "the share of organic plays moved",
        "watch",
        "watch",
        "see whether plays are logged and attributed as before",
    ),
    "label_free": _Call(
        "the expected loss moved, by an estimate without labels", "watch", "retrain", _MATURE
    ),
    "outcome_residuals": _Call(
        "matured outcomes are not as predicted", "retrain", "retrain", "retrain on recent logs"
    ),
    "arriving_residuals": _Call(
        "outcomes that arrive are not as predicted", "watch", "retrain", _MATURE
    ),
    "propensity_residuals": _Call(
        "items are not drawn with the chances that are logged",
        "stop",
        "stop",
        "stop exploring until they are, or no effect can be learned",
    ),
    "overlap": _Call(
        "overlap decays", "watch", "watch", "explore more before the next model is trained"
    ),
    "effect": _Call("the effect moved", "retrain", "retrain", "retrain on recent logs"),
    "delay": _Call(
        "plays come after other delays",
        "watch",
        "watch",
        "check the horizon and the attribution windows against them",
    ),
    "proxy": _Call("an early sign foretells another rate of plays", "watch", "watch", _MATURE),
}
_RETRAIN: Final = "retrain on recent logs"


def finding_of(
    name: str, *, source: str, level: AlertLevel, now: float | None, more: Mapping[str, Any]
) -> Finding | None:
    """Say what a check calls for.

    Parameters
    ----------
    name : str
        What was judged.
    source : str
        Where its rows are from; empty for the monitored tables.
    level : {"quiet", "watch", "alarm"}
        How far it moved.
    now : float or None
        The mean in the window.
    more : mapping of str to value
        What stands beside the decision.

    Returns
    -------
    Finding or None
        None where nothing is called for.
    """
    if more.get("harms", False):  # whether or not it moved
        return Finding("what is shown brings fewer plays than none", "stop", "stop serving")
    if level == "quiet":
        return None
    call = _CALLS[name.partition(" ")[0]]
    what = call.what if name in _CALLS else f"{call.what} ({name.partition(' ')[2]})"
    if source:
        what += f" in the {source}"
    if name == "fallback" and now is not None and now >= _STOP:
        what = f"{now:.0%} of the lists fell back to base order"
        return Finding(what, "stop", "stop serving this model and see its log")
    if more.get("missing_now", 0.0) >= _STOP:
        what = f"most values of {name.partition(' ')[2].replace('_', ' ')} are missing"
        return Finding(what, "stop", "stop serving until they are back")
    advice = call.alarm if level == "alarm" else call.watch
    return Finding(what, advice, _RETRAIN if advice == "retrain" else call.do)
