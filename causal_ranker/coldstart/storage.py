"""A fitted cold-start model as a folder: arrays without pickles, and settings as JSON."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from causal_ranker.coldstart.deepmusic import DeepMusic, DeepMusicRidge
from causal_ranker.coldstart.dropoutnet import DropoutNet
from causal_ranker.coldstart.heater import Heater
from causal_ranker.coldstart.knn import NearestNeighbours
from causal_ranker.coldstart.marec import MetadataAlignment
from causal_ranker.coldstart.model import ColdStartModel
from causal_ranker.errors import BundleError, CausalRankerError

__all__ = ["load_model", "save_model"]

_FORMAT: Final = 1
_MODELS: Final[dict[str, type[ColdStartModel[Any]]]] = {
    kind.__name__: kind
    for kind in (
        DeepMusic,
        DeepMusicRidge,
        DropoutNet,
        Heater,
        MetadataAlignment,
        NearestNeighbours,
    )
}
_FITTED: Final = ("n_features_in_", "users_without_positives_", "fallbacks_")


def save_model(model: ColdStartModel[Any], folder: str | Path) -> None:
    """Write a fitted model to a folder.

    Parameters
    ----------
    model : ColdStartModel
        One of this package's.
    folder : str or Path
        Made if it is not there; ``model.npz`` and ``model.json`` in it are replaced.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    """
    model.user_embeddings()
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    np.savez(target / "model.npz", allow_pickle=False, **model.state_)
    told = {
        "format": _FORMAT,
        "model": type(model).__name__,
        "config": (model.config or model.settings()).model_dump(mode="json"),
        "fitted": {name: getattr(model, name) for name in _FITTED},
        "arrays": {name: list(array.shape) for name, array in model.state_.items()},
    }
    text = json.dumps(told, indent=2, sort_keys=True, allow_nan=False)
    (target / "model.json").write_text(text + "\n", encoding="utf-8")


def load_model(folder: str | Path) -> ColdStartModel[Any]:
    """Read a model that `save_model` wrote; PyTorch is not needed, and nothing is unpickled.

    Parameters
    ----------
    folder : str or Path
        Where it lies.

    Returns
    -------
    ColdStartModel
        As it was saved.

    Raises
    ------
    BundleError
        If a file is missing or damaged, or was written by another version.
    """
    source = Path(folder)
    try:
        told = json.loads((source / "model.json").read_text(encoding="utf-8"))
        stored_bytes = io.BytesIO((source / "model.npz").read_bytes())
        with np.load(stored_bytes, allow_pickle=False) as stored:
            state = {name: stored[name] for name in stored.files}
        if told["format"] != _FORMAT:
            raise ValueError(f"format {told['format']}, not {_FORMAT}")
        if {name: list(array.shape) for name, array in state.items()} != told["arrays"]:
            raise ValueError("arrays other than those named in model.json")
        kind = _MODELS[told["model"]]
        model = kind(kind.settings(**told["config"]))
        for name in _FITTED:
            setattr(model, name, int(told["fitted"][name]))
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        zipfile.BadZipFile,
        CausalRankerError,
    ) as error:
        raise BundleError(
            expected=f"a cold-start model in {source}",
            came=f"{type(error).__name__}: {error}",
            do="Save the model again with save_model.",
        ) from error
    model.state_ = state
    return model
