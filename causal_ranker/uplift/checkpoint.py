"""Models of an interrupted fit, kept as LightGBM text until the fit is run again.

A folder holds the models of one fit and a manifest: what they were fitted on, in digests, and the
digest of each file. Every file is written aside and renamed, a model before its line in the
manifest; so whenever the process dies, what the manifest names is whole. A fit of anything else
(other rows, settings, seed or versions) reuses nothing, and the checkpoint says what differs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker._extras import needs_openmp
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError
from causal_ranker.stats.hashing import uniform_hash
from causal_ranker.uplift.base import Rows

if TYPE_CHECKING:
    import lightgbm

__all__ = ["Checkpoint", "Keep", "fit_anew"]

#: Returns a model by name: the one kept under it, or what the function fits.
Keep = Callable[[str, "Callable[[], lightgbm.Booster]"], "lightgbm.Booster"]

_MANIFEST: Final = "nuisances.json"
_BATCH: Final = 2**18


def fit_anew(name: str, fit: Callable[[], lightgbm.Booster]) -> lightgbm.Booster:
    """Fit a model, and keep nothing.

    Parameters
    ----------
    name : str
        Not used: the name that a checkpoint would keep the model by.
    fit : callable
        Fits the model.

    Returns
    -------
    lightgbm.Booster
        The fitted model.
    """
    return fit()


class Checkpoint:
    """A folder in which the models of a fit outlive an interruption.

    Equal rows, settings and seed give equal bytes with and without it. One fit at a time may use
    a folder.

    Parameters
    ----------
    folder : str or Path
        Made where there is none. Only files of the checkpoint's own names are written.

    Attributes
    ----------
    reused, fitted : list of str
        Models taken from the folder, and models fitted and put there, since it was opened.
    differs : tuple of str
        What the folder's models were fitted on otherwise, e.g. ``("rows.outcome", "seed")``, so
        that none was reused; empty where nothing differed, or nothing was there.

    Raises
    ------
    ConfigError
        If the folder cannot be made.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error
        self._made_of: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self.reused: list[str] = []
        self.fitted: list[str] = []
        self.differs: tuple[str, ...] = ()

    def open(self, tables: Mapping[str, Rows], *, config: FrozenConfig, seed: int) -> Keep:
        """Look what the folder holds of one fit.

        Parameters
        ----------
        tables : mapping of str to Rows
            All rows that the models are fitted on, by what they are called.
        config : FrozenConfig
            All settings of the models.
        seed : int
            Their seed.

        Returns
        -------
        callable
            Takes a model's name and a function that fits it, and returns the model.

        Raises
        ------
        ConfigError
            If the folder cannot be written, or its manifest is not one.
        """
        self._made_of = _fingerprint(tables, config=config, seed=seed)
        self.reused, self.fitted, self.differs = [], [], ()
        found = self._manifest()
        if found["made_of"] == self._made_of:
            self._files = found["files"]
            return self._keep
        if found["files"]:
            one, other = found["made_of"], self._made_of
            self.differs = tuple(
                sorted(name for name in one | other if one.get(name) != other.get(name))
            )
        self._files = {}
        self._write_manifest()
        return self._keep

    def __str__(self) -> str:
        count = len(self.reused) + len(self.fitted)
        text = f"{len(self.reused)} of {count} models from {self._folder}"
        if self.differs:
            text += f", which held models of another fit ({', '.join(self.differs)} differ)"
        return text

    def _keep(self, name: str, fit: Callable[[], lightgbm.Booster]) -> lightgbm.Booster:
        model = self._read(name)
        if model is not None:
            self.reused.append(name)
            return model
        model = fit()
        text = model.model_to_string().encode()
        self._write(_file_of(name), text)
        self._files[name] = _digest(text)
        self._write_manifest()
        self.fitted.append(name)
        return model

    def _read(self, name: str) -> lightgbm.Booster | None:
        """Return a model of this fit, or None where there is none, or not its bytes."""
        if name not in self._files:
            return None
        try:
            text = (self._folder / _file_of(name)).read_bytes()
        except OSError:
            return None
        if _digest(text) != self._files[name]:
            return None
        with needs_openmp():
            import lightgbm

        return lightgbm.Booster(model_str=text.decode())

    def _manifest(self) -> dict[str, dict[str, str]]:
        path = self._folder / _MANIFEST
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return {part: dict(found[part]) for part in ("made_of", "files")}
        except FileNotFoundError:
            return {"made_of": {}, "files": {}}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                expected=f"the manifest of a checkpoint at {path}",
                came=str(error),
                do="Choose another folder, or delete this file to begin again.",
            ) from error

    def _write_manifest(self) -> None:
        text = json.dumps({"made_of": self._made_of, "files": self._files}, indent=1)
        self._write(_MANIFEST, text.encode())

    def _write(self, name: str, content: bytes) -> None:
        aside = self._folder / f"{name}.part"
        try:
            with aside.open("wb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(aside, self._folder / name)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> ConfigError:
        return ConfigError(
            expected=f"a folder for checkpoints at {self._folder}",
            came=error.strerror or str(error),
            do="Choose another folder, or make room on its disk.",
        )


def _file_of(name: str) -> str:
    return f"nuisance-{name}.txt"


def _digest(content: bytes | memoryview) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _fingerprint(tables: Mapping[str, Rows], *, config: FrozenConfig, seed: int) -> dict[str, str]:
    """Say in digests what decides the models; words where they are short."""
    settings = json.dumps(config.model_dump(mode="json"), sort_keys=True)
    made_of = {
        "settings": _digest(settings.encode()),
        "seed": str(seed),
        "causal-ranker": version("causal-ranker"),
        "lightgbm": version("lightgbm"),
    }
    for called, rows in tables.items():
        columns = json.dumps([rows.names, rows.categorical])
        made_of |= {
            f"{called}.columns": _digest(columns.encode()),
            f"{called}.features": _of_matrix(rows.features),
            f"{called}.user": _of_numbers(uniform_hash(rows.user, salt="checkpoint")),
            f"{called}.unit": _of_numbers(uniform_hash(rows.unit, salt="checkpoint")),
        }
        for name in ("treatment", "outcome", "weight", "propensity"):
            made_of[f"{called}.{name}"] = _of_numbers(getattr(rows, name))
    return made_of


def _of_numbers(values: NDArray[Any]) -> str:
    return _digest(np.ascontiguousarray(values, dtype=np.float64).data)


def _of_matrix(matrix: NDArray[np.float32]) -> str:
    """Digest rows in batches: the matrix may lie in a file, in whichever order."""
    digest = blake2b(repr((matrix.shape, matrix.dtype.str)).encode(), digest_size=16)
    for start in range(0, len(matrix), _BATCH):
        digest.update(np.ascontiguousarray(matrix[start : start + _BATCH]).data)
    return digest.hexdigest()
