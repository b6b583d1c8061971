"""Tables of a model that works, with something moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from causal_ranker.drift.health.roles import Roles, Rows

START = np.datetime64("2026-01-05")
ROLES = Roles(
    user="user_id",
    base_score="base_score",
    uplift="uplift",
    chance="chance",
    outcome="played",
    propensity="p",
    treatment="t",
    fallback="fell_back",
    organic="organic",
    aipw="aipw",
    group="group",
    delay="delay",
    followed="followed",
    proxies=("clicked",),
)


def table(
    seed: int, *, days: int, first: int = 0, rows: int = 200, shift: float = 0.0, **moved: float
) -> pd.DataFrame:
    """Rows of users who come again; `moved`: loss, drawn, effect, overlap, fell_back, delay."""
    rng = np.random.default_rng(seed)
    n = rows * days
    user = rng.integers(0, 800, n)
    taste = np.random.default_rng(99).normal(size=800)[user]
    score = taste + rng.normal(size=n) + shift
    chance = 1 / (1 + np.exp(1 - score))
    p = 1 / (1 + np.exp(-score * (1 + moved.get("overlap", 0.0))))
    p = np.clip(p, 1e-6, 1 - 1e-6)
    treated = rng.random(n) < np.clip(p + moved.get("drawn", 0.0), 0, 1)
    played = rng.random(n) < np.clip(chance + moved.get("loss", 0.0), 0, 1)
    slow = 6.0 + moved.get("delay", 0.0)
    values: dict[str, Any] = {
        "user_id": user,
        "base_score": score,
        "uplift": 0.01 * score,
        "chance": chance,
        "played": played.astype(float),
        "p": p,
        "t": treated,
        "fell_back": rng.random(n) < 0.01 + moved.get("fell_back", 0.0),
        "organic": rng.random(n) < 0.3,
        "aipw": 0.3 + moved.get("effect", 0.0) + rng.normal(size=n),
        "group": (score > 0).astype(int),
        "delay": np.where(played, np.minimum(rng.exponential(slow, n), 90.0), np.nan),
        "followed": 100.0,
        "clicked": played * (rng.random(n) < 0.8),
        "day": START + np.repeat(np.arange(first, first + days), rows),
    }
    return pd.DataFrame(values)


def rows_of(frame: pd.DataFrame, roles: Roles = ROLES, *, dated: bool = True) -> Rows:
    """The rows of a frame without an engine between."""
    return Rows(
        values={
            role: frame[column].to_numpy(dtype=np.float64) for role, column in roles.values.items()
        },
        user=None if roles.user is None else frame[roles.user].to_numpy(),
        request=None,
        day=frame["day"].to_numpy().astype("datetime64[D]") if dated else None,
        of=len(frame),
    )
