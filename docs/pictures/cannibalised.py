"""Trap 11: items in a slate take plays from each other, and from the rest of the catalogue."""

from __future__ import annotations

from typing import Final

from causal_ranker.seeds import stage_rng
from docs.pictures import Picture
from docs.pictures._bars import three_bars

__all__ = ["draw"]

_REQUESTS: Final = 200_000
_SLOTS: Final = 10
_SHOWN: Final = 0.5
_LED_TO: Final = 0.04
_TAKEN: Final = 0.6


def draw(*, seed: int) -> Picture:
    """Draw what slates bring to their items beside what they bring to the users' total plays.

    A coin decides which requests get the slate. Of the plays that it leads to, most take the place
    of a play of another title.

    Parameters
    ----------
    seed : int
        Of the draws.

    Returns
    -------
    Picture
        Plays per 100 slots.
    """
    rng = stage_rng(seed, "pictures/cannibalised")
    shown = rng.random(_REQUESTS) < _SHOWN
    anyway = rng.binomial(_SLOTS, 0.05, _REQUESTS)
    led_to = rng.binomial(_SLOTS, _LED_TO, _REQUESTS)
    elsewhere = rng.poisson(1.5, _REQUESTS)
    taken = rng.binomial(led_to, _TAKEN).clip(max=elsewhere)
    of_items = anyway + shown * led_to
    total = of_items + elsewhere - shown * taken
    of_slot, of_user = (
        100 * float(plays[shown].mean() - plays[~shown].mean()) / _SLOTS
        for plays in (of_items, total)
    )
    return three_bars(
        ("plays of the items shown", "all plays of the user", "truth of all plays"),
        (of_slot, of_user, 100 * float((led_to - taken).mean()) / _SLOTS),
        unit="effect of the slate, plays per 100 slots",
        caption="The items of the slate gain {naive} plays per 100 slots, and other titles lose "
        "most of them: the users' total gains {right}, where {truth} are so.",
    )
