"""Trap 4: every non-play is a negative."""

from __future__ import annotations

import numpy as np

from causal_ranker.reporting.figures import Curve, line_with_band
from docs.pictures import Picture
from docs.pictures._rows import service

__all__ = ["draw"]


def draw(*, seed: int) -> Picture:
    """Draw the play rate by slot: of all impressions, and of those that came into view.

    Parameters
    ----------
    seed : int
        Of the simulated service.

    Returns
    -------
    Picture
        Plays per 100 impressions.
    """
    logs = service(seed)
    keys = ["user_id", "item_id", "t0"]
    told = logs.candidates[keys].assign(
        played=logs.truth.y1.to_numpy(), examined=logs.truth.y_examined.to_numpy()
    )
    shown = logs.impressions[[*keys, "position", "viewable"]].merge(told, on=keys)
    slots = np.sort(shown.position.unique())
    seen = shown[shown.viewable.astype(bool)]
    curves = [
        100 * rows.groupby("position")[column].mean().reindex(slots).to_numpy(np.float64)
        for rows, column in ((shown, "played"), (seen, "played"), (shown, "examined"))
    ]
    naive, right, truth = (float(curve.mean()) for curve in curves)
    return Picture(
        svg=line_with_band(
            slots,
            [
                Curve("every impression", curves[0]),
                Curve("impressions that came into view", curves[1]),
                Curve("truth, if each had been looked at", curves[2]),
            ],
            xlabel="slot",
            ylabel="plays per 100 impressions",
        ),
        caption="What never came into view was not turned down. On average over the slots, all "
        f"impressions tell {naive:.2f} plays per 100, those that came into view {right:.2f}; had "
        f"each been looked at, which is more than being in view, it would be {truth:.2f}.",
        alt="Three lines by slot: the naive rate falls with the slot, the other two fall less.",
        naive=naive,
        right=right,
        truth=truth,
    )
