"""When users come, on what, and how far down the page they look.

A user's next request comes at the first wanted hour of a day after the horizon of the last one
has ended, so no two horizons of a user overlap and ``Y(0)``, ``Y(1)`` of a row depend on no
other request's slate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats._arrays import Array
from causal_ranker.worlds.config import WorldConfig

__all__ = ["DEVICES", "HOUR", "Habits", "Visits", "draw_habits", "draw_visits", "examination"]

IntArray = NDArray[np.int64]

HOUR: Final = 3_600  # seconds
_DAY = 24 * HOUR
DEVICES: Final = ("phone", "tablet", "tv")
_DEVICE_SHARES = (0.45, 0.15, 0.40)
# Chance to look one slot further, by device: little of a slate fits on a phone.
_SCROLL = np.array([0.82, 0.87, 0.92])
_MAIN_DEVICE_SHARE = 0.75
_ATTENTION = 0.9
_ATTENTION_LOSS = 0.12  # per title already browsed in the session
_BROWSED = 1.5  # mean titles browsed before the request
_CLOCK = np.arange(24)
_HOUR_WEIGHTS = (
    1
    + 8 * np.exp(-(((_CLOCK - 20) / 2.5) ** 2))  # evening
    + 2 * np.exp(-(((_CLOCK - 8) / 1.5) ** 2))  # before work
)


@dataclass(frozen=True)
class Habits:
    """What stays the same about a user's visits.

    Parameters
    ----------
    visit_chance : ndarray, shape (users,)
        Chance to come on a day on which the user may.
    device : ndarray of int, shape (users,)
        Main device, an index into `DEVICES`.
    """

    visit_chance: Array
    device: IntArray


@dataclass(frozen=True)
class Visits:
    """One request of each of some users.

    Parameters
    ----------
    user : ndarray of int, shape (requests,)
        Who.
    t0 : ndarray of int, shape (requests,)
        When, in seconds since 1970 (UTC).
    device : ndarray of int, shape (requests,)
        Index into `DEVICES`.
    session_so_far : ndarray of int, shape (requests,)
        Titles browsed in the session before t0.
    """

    user: IntArray
    t0: IntArray
    device: IntArray
    session_so_far: IntArray

    @property
    def hour(self) -> IntArray:
        """Hour of the day in UTC, shape (requests,)."""
        return self.t0 // HOUR % 24


def draw_habits(config: WorldConfig, rng: np.random.Generator) -> Habits:
    """Draw what stays the same about users' visits.

    Parameters
    ----------
    config : WorldConfig
        The world's settings.
    rng : numpy.random.Generator
        The stage's own generator.

    Returns
    -------
    Habits
        Per user.
    """
    spread = min(config.visit_rate, 1 - config.visit_rate) * 0.8
    chance = config.visit_rate + spread * rng.uniform(-1, 1, config.users)
    device = rng.choice(len(DEVICES), size=config.users, p=_DEVICE_SHARES)
    return Habits(visit_chance=chance, device=device)


def draw_visits(
    habits: Habits, user: IntArray, *, free_from: IntArray, end: int, rng: np.random.Generator
) -> Visits:
    """Draw the next request of some users.

    Parameters
    ----------
    habits : Habits
        Per user.
    user : ndarray of int, shape (some users,)
        Who may come.
    free_from : ndarray of int, shape (some users,)
        Earliest moment of the next request, in seconds since 1970 (UTC): the end of
        the last horizon.
    end : int
        End of the log, in the same seconds.
    rng : numpy.random.Generator
        The stage's own generator.

    Returns
    -------
    Visits
        One request of each user whose next one lies within the log.
    """
    users = user.size
    days_off = rng.geometric(habits.visit_chance[user]) - 1
    hour = rng.choice(24, size=users, p=_HOUR_WEIGHTS / _HOUR_WEIGHTS.sum())
    wanted = hour * HOUR + rng.integers(0, HOUR, users)
    t0 = free_from + days_off * _DAY + (wanted - free_from) % _DAY
    other = rng.choice(len(DEVICES), size=users, p=_DEVICE_SHARES)
    device = np.where(rng.random(users) < _MAIN_DEVICE_SHARE, habits.device[user], other)
    browsed = rng.poisson(_BROWSED, users)
    came = t0 < end
    return Visits(user=user[came], t0=t0[came], device=device[came], session_so_far=browsed[came])


def examination(visits: Visits) -> tuple[Array, Array]:
    """Return how a request's slots are examined.

    Slot s is examined with probability ``attention * scroll ** (s - 1)``: the user scrolls that
    far, once for the whole slate, and then notices each title in view by itself.

    Parameters
    ----------
    visits : Visits
        The requests.

    Returns
    -------
    attention : ndarray, shape (requests,)
        P(a title in view is noticed).
    scroll : ndarray, shape (requests,)
        P(looking one slot further).
    """
    attention = _ATTENTION * np.exp(-_ATTENTION_LOSS * visits.session_so_far)
    return attention, _SCROLL[visits.device]
