"""The cold-start split of MovieLens-1M by Zhu et al. (2021), where it lies on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.scores import FactoredScores

__all__ = ["Side", "Split", "load_embeddings", "load_split", "split_folder"]

_NAME: Final = "ml1m_coldstart"


@dataclass(frozen=True)
class Side:
    """The items of one side, and who liked them.

    Parameters
    ----------
    items : numpy.ndarray
        Rows of the item embeddings, ascending.
    audience : Audience
        Positives, shape (n_users, n_items of this side).
    """

    items: NDArray[np.int64]
    audience: Audience


@dataclass(frozen=True)
class Split:
    """Warm items, and cold ones to choose and to report on.

    Parameters
    ----------
    warm, validation, test : Side
        The three sides.
    """

    warm: Side
    validation: Side
    test: Side


def split_folder() -> Path:
    """Return the data set's folder.

    Returns
    -------
    Path
        Below ``CAUSAL_RANKER_DATA``, by default ``../shared/data`` beside the project.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    """
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CAUSAL_RANKER_DATA", default)) / _NAME
    if not (folder / "pairs.parquet").is_file():
        raise FileNotFoundError(f"no pairs.parquet in {folder}; say where: CAUSAL_RANKER_DATA")
    return folder


def load_split(folder: Path, *, shape: tuple[int, int]) -> Split:
    """Read who liked what.

    Parameters
    ----------
    folder : Path
        The data set's folder.
    shape : tuple of int
        Number of users and of items that have embeddings.

    Returns
    -------
    Split
        Its three sides.

    Raises
    ------
    ValueError
        If the data set has other users or items.
    """
    pairs = pd.read_parquet(folder / "pairs.parquet", columns=["uid", "iid", "split"])
    own = tuple(int(pairs[name].max()) + 1 for name in ("uid", "iid"))
    if own != shape:
        raise ValueError(
            f"embeddings of {own[0]} users and {own[1]} items are asked for, in the order of "
            f"their numbers in {folder}; these are of {shape[0]} and {shape[1]}"
        )

    def side(name: str) -> Side:
        own = pairs[pairs["split"] == name]
        items = np.sort(own["iid"].unique()).astype(np.int64)
        places = np.searchsorted(items, own["iid"].to_numpy()).astype(np.int64)
        users = own["uid"].to_numpy(np.int64)
        return Side(items, Audience.from_pairs(users, places, shape=(shape[0], len(items))))

    return Split(side("train"), side("cold_vali"), side("cold_test"))


def load_embeddings(path: Path) -> FactoredScores:
    """Read embeddings of all users and items.

    Parameters
    ----------
    path : Path
        An ``.npz`` file with the arrays ``U`` (users) and ``I`` (items).

    Returns
    -------
    FactoredScores
        Their products.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it lacks an array.
    """
    with np.load(path, allow_pickle=False) as stored:
        missing = {"U", "I"} - set(stored.files)
        if missing:
            raise ValueError(f"{path} has no array {sorted(missing)}; it has {stored.files}")
        return FactoredScores(stored["U"], stored["I"])
