"""ELEC2: alarms beside the test-then-train loss of a fixed model, and what was known of it."""

from __future__ import annotations

from typing import Final

import numpy as np

from benchmarks._drift_elec2 import elec2_run, read_elec2

__all__ = ["run"]

_QUICK_WEEKS: Final = 30
_WEEK_ROWS: Final = 7 * 48


def run(*, quick: bool) -> dict[str, object]:
    """Go through the stream week by week.

    Parameters
    ----------
    quick : bool
        The first 30 weeks.

    Returns
    -------
    dict of str to values
        Mean absolute error of each way of knowing the loss without labels; for each detector the
        share of weeks with an alarm, and the mean loss of weeks with and without one.
    """
    stream = read_elec2()
    found = elec2_run(stream.iloc[: _QUICK_WEEKS * _WEEK_ROWS] if quick else stream)
    figures: dict[str, object] = {
        f"elec2_mae_{name}": error for name, error in found.mean_absolute_error().items()
    }
    for name, alarms in found.alarms.items():
        means = [
            float(found.loss[some].mean()) if some.any() else float("nan")
            for some in (alarms, ~alarms)
        ]
        figures[f"elec2_{name.replace(' ', '_')}"] = {
            "alarms": float(alarms.mean()),
            "loss_with": means[0],
            "loss_without": means[1],
        }
    return {
        "elec2_weeks": int(found.weeks.size),
        "elec2_loss": float(found.loss.mean()),
        "elec2_loss_at_reference": found.at_reference,
        "elec2_trusted_share": float(np.mean(found.trusted)),
        "elec2_inside_interval": float(np.mean(found.inside)),
        **figures,
    }
