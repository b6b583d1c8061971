"""The parts of a bundle as the bytes of its files, and back."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import BundleError, CausalRankerError, SchemaError
from causal_ranker.reranking.chained import ListPolicy
from causal_ranker.reranking.description import policy_from_dict, policy_to_dict
from causal_ranker.serving.candidates import CandidateSource
from causal_ranker.serving.mapped import array_bytes, release
from causal_ranker.serving.model import ModelPart
from causal_ranker.serving.schema import FeatureSchema
from causal_ranker.serving.snapshot import FeatureSnapshot
from causal_ranker.serving.width import WidthPart

__all__ = [
    "ARRAY",
    "MODEL_FILES",
    "BundleParts",
    "ModelParts",
    "decode",
    "decode_models",
    "encode",
]

#: How the names of files end that are mapped, not read.
ARRAY: Final = ".npy"

_REQUIRED: Final = frozenset({"uplift.txt", "uplift_golden.npz", "policy.json", "schema.json"})
_SNAPSHOT: Final = "snapshot.json"
#: The files that rank candidates whose features are known already.
MODEL_FILES: Final = _REQUIRED | {"base.txt", "base_golden.npz", "width.txt", "width_golden.npz"}


@dataclass(frozen=True, eq=False, kw_only=True)
class ModelParts:
    """The parts of a bundle that rank candidates whose features are known already.

    Parameters
    ----------
    uplift : ModelPart
        The uplift model.
    policy : Policy or ChainedPolicy
        The policy that orders the candidates.
    base : ModelPart, optional
        The base model.
    width : WidthPart, optional
        The model of the intervals' half-widths.
    """

    uplift: ModelPart
    policy: ListPolicy
    base: ModelPart | None = None
    width: WidthPart | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class BundleParts(ModelParts):
    """The parts of a bundle that lie in files of their own.

    Parameters
    ----------
    base, policy, uplift, width
        As in `ModelParts`.
    snapshot : FeatureSnapshot
        Features of users, items and pairs.
    candidates : CandidateSource, optional
        Each user's candidates; without it, every item is one.
    """

    snapshot: FeatureSnapshot
    candidates: CandidateSource | None = None


def encode(parts: BundleParts) -> dict[str, bytes]:
    """Write each part as a file.

    Parameters
    ----------
    parts : BundleParts
        The parts.

    Returns
    -------
    dict of str to bytes
        Content by file name.

    Raises
    ------
    SchemaError
        If the base model reads a feature that only the base model makes.
    ConfigError
        If the policy is not one that can be read back.
    """
    schemas: dict[str, Any] = {
        "uplift": parts.uplift.schema.to_dict(),
        "base": None if parts.base is None else parts.base.schema.to_dict(),
    }
    if parts.width is not None:  # its features are those of the uplift model
        schemas["width"] = {"level": parts.width.level}
    files = {
        "policy.json": _json(policy_to_dict(parts.policy)),
        "schema.json": _json(schemas),
        _SNAPSHOT: _json(parts.snapshot.description()),
        **_model_files("uplift", parts.uplift),
    }
    if parts.base is not None:
        _refuse_circle(parts.base.schema)
        files.update(_model_files("base", parts.base))
    if parts.width is not None:
        files.update(_model_files("width", parts.width.model))
    arrays = parts.snapshot.arrays()
    if parts.candidates is not None:
        arrays |= {
            "candidates_starts": parts.candidates.starts,
            "candidates_items": parts.candidates.items,
        }
    return files | {f"{name}{ARRAY}": array_bytes(array) for name, array in arrays.items()}


def decode(files: Mapping[str, bytes], arrays: Mapping[str, NDArray[Any]]) -> BundleParts:
    """Read each part from its file.

    Parameters
    ----------
    files : Mapping of str to bytes
        Content by file name, hashes already checked; of all but the arrays.
    arrays : Mapping of str to ndarray
        The mapped arrays by file name without its end, hashes already checked.

    Returns
    -------
    BundleParts
        The parts.

    Raises
    ------
    BundleError
        If a file that belongs there is missing or cannot be read.
    CausalRankerError
        If the content of a file breaks its own rules.
    """
    models = decode_models(files)
    if _SNAPSHOT not in files:
        raise _absent(_SNAPSHOT)
    name = ""
    try:
        name = f"{_SNAPSHOT} with its arrays"
        snapshot = FeatureSnapshot.from_arrays(arrays, description=json.loads(files[_SNAPSHOT]))
        name = "candidates_starts.npy and candidates_items.npy"
        candidates = None
        if arrays.keys() & {"candidates_starts", "candidates_items"}:
            candidates = CandidateSource(arrays["candidates_starts"], arrays["candidates_items"])
            candidates.check(n_users=snapshot.users.ids.size, n_items=snapshot.items.ids.size)
    except CausalRankerError:
        raise
    except Exception as error:  # what zipfile, zlib and NumPy raise of damage is listed nowhere
        raise _unreadable(name, f"{type(error).__name__}: {error}") from None
    for array in arrays.values():
        release(array)  # the checks have read through all of them
    return BundleParts(
        uplift=models.uplift,
        base=models.base,
        policy=models.policy,
        snapshot=snapshot,
        candidates=candidates,
        width=models.width,
    )


def decode_models(files: Mapping[str, bytes]) -> ModelParts:
    """Read the models and the policy from their files.

    Parameters
    ----------
    files : Mapping of str to bytes
        Content by file name, hashes already checked; of `MODEL_FILES` those that there are.

    Returns
    -------
    ModelParts
        The parts.

    Raises
    ------
    BundleError
        If a file that belongs there is missing or cannot be read.
    CausalRankerError
        If the content of a file breaks its own rules.
    """
    for name in sorted(_REQUIRED - files.keys()):
        raise _absent(name)
    name = ""
    try:
        name = "schema.json"
        schemas = json.loads(files[name])
        uplift_schema = FeatureSchema.from_dict(schemas["uplift"])
        base_schema = None if schemas["base"] is None else FeatureSchema.from_dict(schemas["base"])
        name = "policy.json"
        policy = policy_from_dict(json.loads(files[name]))
        name = "the uplift model's files"
        uplift = _model_part("uplift", files, uplift_schema)
        base = None
        if base_schema is not None:
            name = "the base model's files"
            _refuse_circle(base_schema)
            base = _model_part("base", files, base_schema)
        width = None
        if "width" in schemas:
            name = "the files of the model of the intervals"
            width = WidthPart(
                _model_part("width", files, uplift_schema), level=schemas["width"]["level"]
            )
    except CausalRankerError:
        raise
    except Exception as error:  # as above
        raise _unreadable(name, f"{type(error).__name__}: {error}") from None
    return ModelParts(uplift=uplift, policy=policy, base=base, width=width)


def _model_files(name: str, part: ModelPart) -> dict[str, bytes]:
    golden = io.BytesIO()
    np.savez(
        golden,
        allow_pickle=False,
        features=np.asarray(part.golden_features, dtype=np.float64),
        expected=np.asarray(part.golden_expected, dtype=np.float64),
    )
    return {f"{name}.txt": part.text.encode(), f"{name}_golden.npz": golden.getvalue()}


def _model_part(name: str, files: Mapping[str, bytes], schema: FeatureSchema) -> ModelPart:
    with np.load(io.BytesIO(files[f"{name}_golden.npz"]), allow_pickle=False) as golden:
        return ModelPart(
            text=files[f"{name}.txt"].decode(),
            schema=schema,
            golden_features=golden["features"],
            golden_expected=golden["expected"],
        )


def _refuse_circle(schema: FeatureSchema) -> None:
    circle = [feature.name for feature in schema.features if feature.group == "base"]
    if circle:
        raise SchemaError(
            expected="a base model without features that come from the base model",
            came=", ".join(circle),
            do="Train the base model on user, item, pair and moment features.",
        )


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def _absent(name: str) -> BundleError:
    return _unreadable(name, "no such file in the manifest")


def _unreadable(name: str, came: str) -> BundleError:
    return BundleError(
        expected=f"a readable {name}",
        came=" ".join(came.split()),
        do="Publish the bundle again.",
    )
