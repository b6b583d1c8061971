"""Every column name, once.

All rooms read and write tables through these names, so a renamed column is one change here.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Columns"]


class Columns:
    """Names of the columns that pass from room to room.

    A *request* is one ``(USER, T0)``; a *row* is one ``(USER, ITEM, T0)``.
    """

    # keys and clocks (all timestamps are UTC-aware)
    USER: Final = "user_id"
    ITEM: Final = "item_id"
    T0: Final = "t0"
    HORIZON_END: Final = "horizon_end"
    IMPRESSION: Final = "impression_id"
    PLAY: Final = "play_id"
    PLAYED_AT: Final = "played_at"

    # what the logs say
    POSITION: Final = "position"
    PROPENSITY: Final = "propensity"
    INCLUSION_PROPENSITY: Final = "inclusion_propensity"
    SLOT_PROPENSITY: Final = "slot_propensity"
    SHOWN: Final = "shown"
    SURFACE: Final = "surface"
    VIEWABLE: Final = "viewable"
    VIEWABLE_MS: Final = "viewable_ms"
    CLICKED_AT: Final = "clicked_at"
    IS_BOT: Final = "is_bot"
    SESSION: Final = "session_id"
    SECONDS: Final = "seconds"
    FRACTION: Final = "fraction"
    HOUR: Final = "hour"
    DEVICE: Final = "device"
    SESSION_SO_FAR: Final = "session_so_far"
    ASSIGNMENT_UNIT: Final = "assignment_unit"
    BASE_SCORE: Final = "base_score"
    BASE_RANK: Final = "base_rank"
    IS_COLD: Final = "is_cold"
    AVAILABLE_FROM: Final = "available_from"
    AVAILABLE_UNTIL: Final = "available_until"

    # what attribution and labels add
    CREDIT: Final = "credit"
    TREATMENT: Final = "treatment"
    OUTCOME: Final = "outcome"
    TOTAL_PLAYS: Final = "total_plays"
    LABEL_KIND: Final = "label_kind"
    SAMPLING_WEIGHT: Final = "sampling_weight"
    CENSORING_WEIGHT: Final = "censoring_weight"
    ANALYSIS_WEIGHT: Final = "analysis_weight"

    # what models and policies add
    UPLIFT: Final = "uplift"
    UPLIFT_LOW: Final = "uplift_low"
    UPLIFT_HIGH: Final = "uplift_high"
    SCORE: Final = "score"
    RANK: Final = "rank"
