"""What was fitted, as a folder: arrays without pickles, and settings as JSON."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.coldstart.content import ContentConfig, ContentEncoder
from causal_ranker.coldstart.deepmusic import DeepMusic, DeepMusicRidge
from causal_ranker.coldstart.dropoutnet import DropoutNet
from causal_ranker.coldstart.heater import Heater
from causal_ranker.coldstart.knn import NearestNeighbours
from causal_ranker.coldstart.marec import MetadataAlignment
from causal_ranker.coldstart.model import ColdStartModel
from causal_ranker.errors import BundleError, CausalRankerError

__all__ = [
    "load_encoder",
    "load_model",
    "read_part",
    "save_encoder",
    "save_model",
    "write_part",
]

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
_DAMAGE: Final = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    zipfile.BadZipFile,
    CausalRankerError,
)

Arrays = Mapping[str, NDArray[Any]]


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
    told = {
        "model": type(model).__name__,
        "config": (model.config or model.settings()).model_dump(mode="json"),
        "fitted": {name: getattr(model, name) for name in _FITTED},
    }
    write_part(folder, "model", told=told, arrays=model.state_)


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
    with read_part(folder, "model") as (told, arrays):
        kind = _MODELS[told["model"]]
        model = kind(kind.settings(**told["config"]))
        for name in _FITTED:
            setattr(model, name, int(told["fitted"][name]))
    model.state_ = dict(arrays)
    return model


def save_encoder(encoder: ContentEncoder, folder: str | Path) -> None:
    """Write a fitted encoder to a folder.

    Parameters
    ----------
    encoder : ContentEncoder
        Fitted.
    folder : str or Path
        Made if it is not there; ``encoder.npz`` and ``encoder.json`` in it are replaced.

    Raises
    ------
    NotFittedError
        If the encoder is not fitted.
    """
    told, arrays = encoder.learned()
    config = (encoder.config or ContentConfig()).model_dump(mode="json")
    write_part(folder, "encoder", told={"config": config, "learned": told}, arrays=arrays)


def load_encoder(folder: str | Path) -> ContentEncoder:
    """Read an encoder that `save_encoder` wrote.

    Parameters
    ----------
    folder : str or Path
        Where it lies.

    Returns
    -------
    ContentEncoder
        As it was saved.

    Raises
    ------
    BundleError
        If a file is missing or damaged, or was written by another version.
    """
    with read_part(folder, "encoder") as (told, arrays):
        return ContentEncoder.from_learned(
            told["learned"], arrays, config=ContentConfig(**told["config"])
        )


def write_part(folder: str | Path, name: str, *, told: Mapping[str, Any], arrays: Arrays) -> None:
    """Write one part of a folder: ``NAME.npz`` and ``NAME.json``.

    Parameters
    ----------
    folder : str or Path
        Made if it is not there.
    name : str
        Of the part.
    told : mapping
        What JSON can say.
    arrays : mapping of str to numpy.ndarray
        Numbers or text.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    np.savez(target / f"{name}.npz", allow_pickle=False, **arrays)
    shapes = {key: list(array.shape) for key, array in arrays.items()}
    text = json.dumps(
        {"format": _FORMAT, **told, "arrays": shapes}, indent=2, sort_keys=True, allow_nan=False
    )
    (target / f"{name}.json").write_text(text + "\n", encoding="utf-8")


@contextmanager
def read_part(
    folder: str | Path, name: str
) -> Iterator[tuple[dict[str, Any], dict[str, NDArray[Any]]]]:
    """Read one part of a folder, and make of it what was saved.

    Parameters
    ----------
    folder : str or Path
        Where it lies.
    name : str
        Of the part.

    Yields
    ------
    dict, dict of str to numpy.ndarray
        What `write_part` was told, and its arrays.

    Raises
    ------
    BundleError
        If a file is missing or damaged, or what is made of it inside the block fails.
    """
    source = Path(folder)
    try:
        told = json.loads((source / f"{name}.json").read_text(encoding="utf-8"))
        stored_bytes = io.BytesIO((source / f"{name}.npz").read_bytes())
        with np.load(stored_bytes, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        if told["format"] != _FORMAT:
            raise ValueError(f"format {told['format']}, not {_FORMAT}")
        if {key: list(array.shape) for key, array in arrays.items()} != told["arrays"]:
            raise ValueError(f"arrays other than those named in {name}.json")
        yield told, arrays
    except _DAMAGE as error:
        raise BundleError(
            expected=f"a cold-start {name} in {source}",
            came=f"{type(error).__name__}: {error}",
            do="Save it again: causal-ranker coldstart fit --out, or save_model.",
        ) from error
