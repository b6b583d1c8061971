"""The manifest of a bundle: what is in the folder, and the hash of each file.

The manifest carries a hash of itself and is written in one canonical form, so that a change of
any byte of any file of a bundle is noticed. This guards against accidents; somebody who means
harm can recompute the hashes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from causal_ranker.errors import BundleError, ConfigError

__all__ = ["FORMAT_VERSION", "MANIFEST", "Manifest", "is_manifest", "sha256"]

MANIFEST: Final = "manifest.json"
FORMAT_VERSION: Final = 2
_FORMAT: Final = "causal-ranker bundle"
_OWN_HASH: Final = "sha256_of_this_manifest"


def sha256(content: bytes) -> str:
    """Return the SHA-256 hash of some bytes.

    Parameters
    ----------
    content : bytes
        What to hash.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself.

    Parameters
    ----------
    format_version : int
        Version of the folder's layout.
    package_version : str
        Version of this package that wrote it.
    created_at : str
        When it was written, ISO 8601 in UTC.
    training_window : tuple of str
        First moment of the training rows, and the moment before which they end, ISO 8601 in UTC.
    evaluation : Mapping
        Summary of the offline evaluation, any JSON object.
    files : Mapping of str to str
        SHA-256 of each file.
    """

    format_version: int
    package_version: str
    created_at: str
    training_window: tuple[str, str]
    evaluation: Mapping[str, Any]
    files: Mapping[str, str]

    def to_bytes(self) -> bytes:
        """Write the manifest in its canonical form.

        Returns
        -------
        bytes
            JSON, with the hash of itself.

        Raises
        ------
        ConfigError
            If the evaluation summary is not made of JSON values.
        """
        try:
            return _sealed({"format": _FORMAT, **asdict(self)})
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigError(
                expected="an evaluation summary of finite numbers, strings, lists and objects",
                came=str(error),
                do="Convert arrays and dates, and write None for a figure that does not exist.",
            ) from None

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read and check a manifest.

        Parameters
        ----------
        content : bytes
            What :meth:`to_bytes` wrote.

        Returns
        -------
        Manifest
            The manifest.

        Raises
        ------
        BundleError
            If it is no manifest, was changed, or is of another format.
        """
        description = _parse(content)
        if description is None:
            raise BundleError(
                expected=f"the manifest of a model bundle in {MANIFEST}",
                came="something else",
                do="Give the folder that publish wrote, or publish it again.",
            )
        if not _intact(description, content):
            raise BundleError(
                expected=f"{MANIFEST} as it was written",
                came="one that was changed",
                do="Publish the bundle again.",
            )
        settings = {k: v for k, v in description.items() if k not in ("format", _OWN_HASH)}
        version = settings.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise BundleError(
                expected=f"a bundle of format {FORMAT_VERSION}",
                came=f"format {version}, of package {settings.get('package_version')}",
                do="Install a newer version of causal-ranker.",
            )
        if isinstance(version, int) and version < FORMAT_VERSION:
            raise BundleError(
                expected=f"a bundle of format {FORMAT_VERSION}",
                came=f"format {version}, of package {settings.get('package_version')}",
                do="Publish the model again with this version.",
            )
        try:
            start, end = settings.pop("training_window")
            manifest = cls(training_window=(start, end), **settings)
            plain = all(Path(name).name == name for name in manifest.files)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _malformed(str(error)) from None
        if not plain:
            raise _malformed("a file outside of the folder")
        return manifest


def is_manifest(content: bytes) -> bool:
    """Say whether some bytes claim to be the manifest of a bundle, changed or not.

    Parameters
    ----------
    content : bytes
        Content of a file.

    Returns
    -------
    bool
        Whether it does.
    """
    return _parse(content) is not None


def _parse(content: bytes) -> dict[str, Any] | None:
    try:
        description = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(description, dict) or description.get("format") != _FORMAT:
        return None
    return description


def _intact(description: Mapping[str, Any], content: bytes) -> bool:
    try:
        return _sealed({k: v for k, v in description.items() if k != _OWN_HASH}) == content
    except ValueError:  # NaN, which Python reads and we never write
        return False


def _malformed(came: str) -> BundleError:
    return BundleError(
        expected=f"the keys of format {FORMAT_VERSION} in {MANIFEST}",
        came=came,
        do="Publish the bundle again.",
    )


def _sealed(description: Mapping[str, Any]) -> bytes:
    return _dump({**description, _OWN_HASH: sha256(_dump(description))})


def _dump(description: Mapping[str, Any]) -> bytes:
    text = json.dumps(description, indent=2, sort_keys=True, allow_nan=False)
    return (text + "\n").encode("ascii")
