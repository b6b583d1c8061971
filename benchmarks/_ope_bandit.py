"""The uniform policy's click rate from the Bernoulli-Thompson log, and from the uniform one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.errors import OverlapError
from causal_ranker.evaluation.ope.config import OpeConfig
from causal_ranker.evaluation.ope.evaluate import evaluate_policy
from causal_ranker.evaluation.ope.logged import LoggedPropensities
from causal_ranker.evaluation.ope.slates import LoggedSlates
from causal_ranker.evaluation.ope.slotwise import Slotwise
from causal_ranker.logs.datasets.open_bandit import load_open_bandit
from causal_ranker.logs.sources import connect
from causal_ranker.stats.intervals import Interval, clustered_mean

__all__ = ["bandit_rows"]

Array = NDArray[np.float64]
_ESTIMATORS: Final = ("dm", "ips", "snips", "dr", "switch", "shrinkage")
# Impressions that an item's click rate is pulled to the overall rate by.
_PRIOR: Final = 200.0
_CAP: Final = 10.0


def bandit_rows(folder: Path, *, quick: bool) -> list[dict[str, Any]]:
    """Estimate the uniform policy's click rate, and compare it with the uniform policy's own log.

    Parameters
    ----------
    folder : Path
        With ``bts_men.parquet``, ``random_men.parquet`` and the same of women.
    quick : bool
        One campaign.

    Returns
    -------
    list of dict
        A line per campaign and estimator (also with weights capped, and the mean of the log as it
        is): ``relative_error`` with ``low`` and ``high`` (95 %, the uniform log's own error
        included), ``effective_rows``, ``mean_weight``, ``share_capped``, ``refusal``, the clicks
        of both logs. Empty where the folder is not there.
    """
    if not folder.is_dir():
        return []
    lines: list[dict[str, Any]] = []
    for campaign in ("men",) if quick else ("men", "women"):
        log, own = (_rows(folder / f"{policy}_{campaign}.parquet") for policy in ("bts", "random"))
        truth = clustered_mean(own["clicked"].to_numpy(float), np.arange(len(own)))
        clicked = log["clicked"].to_numpy(float)
        fixed = {
            "campaign": f"bts {campaign}",
            "rows": len(log),
            "clicks": int(clicked.sum()),
            "clicks_in_truth": int(own["clicked"].sum()),
        }
        as_it_is = clustered_mean(clicked, np.arange(len(log)))
        naive = {"estimator": "log as it is", **_relative(as_it_is, truth), **_NOTHING}
        lines.append({**fixed, **naive})
        for cap in (None, _CAP):
            answers = _estimates(log, cap=cap)
            for name, answer in answers.items():
                told = name if cap is None else f"{name}, capped at {cap:g}"
                if isinstance(answer, OverlapError):
                    nan = dict.fromkeys(("value", "relative_error", "low", "high"), np.nan)
                    line = {**nan, **_NOTHING, "refusal": str(answer)}
                else:
                    line = {
                        **_relative(answer.value, truth),
                        "effective_rows": answer.effective_lists,
                        "mean_weight": answer.mean_weight,
                        "share_capped": answer.share_capped,
                        "refusal": None,
                    }
                if not (cap is not None and name == "dm"):
                    lines.append({**fixed, "estimator": told, **line})
    return lines


_NOTHING: Final = {
    "effective_rows": np.nan,
    "mean_weight": np.nan,
    "share_capped": np.nan,
    "refusal": None,
}


def _rows(path: Path) -> pd.DataFrame:
    logs = load_open_bandit(path, connect())
    impressions, plays = logs.impressions.to_pandas(), logs.plays.to_pandas()
    clicked = impressions["impression_id"].isin(plays["play_id"]).astype(int)
    return pd.DataFrame(impressions).assign(clicked=clicked)


def _estimates(log: pd.DataFrame, *, cap: float | None) -> dict[str, Any]:
    n = len(log)
    item, clicked = log["item_id"].to_numpy(), log["clicked"].to_numpy(float)
    candidates = int(item.max()) + 1
    answers: dict[str, Any] = {}
    for name in _ESTIMATORS:
        try:
            answers[name] = evaluate_policy(
                LoggedSlates(item[:, None], clicked[:, None], np.arange(n)),
                LoggedPropensities(log["propensity"].to_numpy(float)[:, None]),
                target=Slotwise([np.full(candidates, 1 / candidates)], requests=n),
                estimators=[name],
                predictions=_click_rates(item, clicked, candidates=candidates),
                config=OpeConfig(cap=cap),
            ).estimate(name)
        except OverlapError as refusal:
            answers[name] = refusal
    return answers


def _click_rates(
    item: NDArray[np.int64], clicked: Array, *, candidates: int
) -> Callable[[int], Array]:
    """Learn click rates of items on every other row, for the rows between."""
    fold = np.arange(len(item)) % 2
    by_fold = np.empty((2, candidates))
    for held in (0, 1):
        seen = fold != held
        shown = np.bincount(item[seen], minlength=candidates)
        clicks = np.bincount(item[seen], weights=clicked[seen], minlength=candidates)
        by_fold[held] = (clicks + _PRIOR * clicked[seen].mean()) / (shown + _PRIOR)
    return lambda slot: by_fold[fold]


def _relative(found: Interval, truth: Interval) -> dict[str, float]:
    """Return the estimate over the truth, minus 1, with both errors by the delta method."""
    ratio = found.point / truth.point
    error = np.hypot(found.standard_error, ratio * truth.standard_error) / truth.point
    return {
        "value": found.point,
        "relative_error": ratio - 1,
        "low": ratio - 1 - 1.96 * error,
        "high": ratio - 1 + 1.96 * error,
    }
