"""Which version of a registry answers, and which did before it.

A registry is a folder::

    current.json              the promotions, oldest first; the last one is in force; and which
                              versions took the place of others when users were forgotten
    versions/<version>/       a bundle each, never changed once it is there
    .causal-ranker.lock       held by whoever writes; marks the folder as a registry

``current.json`` is the one thing that is ever replaced, and that is one step.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from causal_ranker.errors import BundleError
from causal_ranker.serving.replace import replace_synced

__all__ = [
    "CURRENT",
    "LOCK",
    "VERSIONS",
    "Promotion",
    "earlier_promotions",
    "is_registry",
    "is_version",
    "read_promotions",
    "replaced_versions",
    "write_promotions",
]

CURRENT: Final = "current.json"
LOCK: Final = ".causal-ranker.lock"
VERSIONS: Final = "versions"
_FORMAT: Final = "causal-ranker registry"
_FORMAT_VERSION: Final = 1
_KEPT: Final = 1000  # promotions; so many can be rolled back


@dataclass(frozen=True, slots=True)
class Promotion:
    """One version in force.

    Parameters
    ----------
    version : str
        The version.
    since : str
        When it was promoted, ISO 8601 in UTC.
    """

    version: str
    since: str

    @classmethod
    def now(cls, version: str) -> Promotion:
        """Promote a version at this moment.

        Parameters
        ----------
        version : str
            The version.

        Returns
        -------
        Promotion
            The promotion.
        """
        return cls(version, datetime.now(UTC).isoformat(timespec="seconds"))


def is_registry(folder: Path) -> bool:
    """Say whether a folder is a registry, whatever state it is in.

    Parameters
    ----------
    folder : Path
        The folder.

    Returns
    -------
    bool
        Whether it is one.
    """
    return (folder / LOCK).is_file() or _parse(folder / CURRENT) is not None


def is_version(name: str) -> bool:
    """Say whether a word can be the name of a version.

    Parameters
    ----------
    name : str
        The word.

    Returns
    -------
    bool
        Whether it is 12 hexadecimal digits, which lead out of no folder.
    """
    return re.fullmatch(r"[0-9a-f]{12}", name, re.ASCII) is not None


def read_promotions(root: Path) -> tuple[Promotion, ...]:
    """Read who was promoted when.

    Parameters
    ----------
    root : Path
        Folder of the registry.

    Returns
    -------
    tuple of Promotion
        Oldest first, at least one; the last is in force.

    Raises
    ------
    BundleError
        If nothing was promoted, or the file says nothing any more or is of a newer format.
    """
    history = earlier_promotions(root)
    if not history:
        changed = (root / CURRENT).exists()
        raise BundleError(
            expected=f"a current version in the registry {root}",
            came=f"a {CURRENT} that was changed" if changed else "none that was promoted",
            do="Promote one: causal-ranker models promote.",
        )
    return history


def earlier_promotions(root: Path) -> tuple[Promotion, ...]:
    """Read the promotions that another one is added to.

    Parameters
    ----------
    root : Path
        Folder of the registry.

    Returns
    -------
    tuple of Promotion
        Oldest first; empty if nothing was promoted, or the file says nothing any more.

    Raises
    ------
    BundleError
        If the file is of a newer format.
    """
    told = _parse(root / CURRENT)
    if told is None:
        return ()
    version = told.get("format_version")
    if isinstance(version, int) and version > _FORMAT_VERSION:
        raise BundleError(
            expected=f"a registry of format {_FORMAT_VERSION} or older",
            came=f"format {version} at {root}",
            do="Install a newer version of causal-ranker.",
        )
    try:
        history = tuple(Promotion(**row) for row in told["history"])
        return history if all(is_version(row.version) for row in history) else ()
    except (KeyError, TypeError):
        return ()


def replaced_versions(root: Path) -> dict[str, str]:
    """Read which versions others took the place of, as when users were forgotten.

    Parameters
    ----------
    root : Path
        Folder of the registry.

    Returns
    -------
    dict of str to str
        The version that is there, by the one that was.
    """
    told = (_parse(root / CURRENT) or {}).get("replaced")
    if not isinstance(told, dict):
        return {}
    return {old: new for old, new in told.items() if isinstance(new, str) and is_version(new)}


def write_promotions(
    root: Path, history: Sequence[Promotion], *, replaced: Mapping[str, str] | None = None
) -> None:
    """Put other promotions in force, in one step that outlasts a crash.

    Parameters
    ----------
    root : Path
        Folder of the registry, whose lock the caller holds.
    history : sequence of Promotion
        Oldest first; the last is in force.
    replaced : Mapping of str to str, optional
        Versions that take the place of others from now on; those of before are kept.
    """
    now = dict(replaced or {})
    earlier = {old: now.get(new, new) for old, new in replaced_versions(root).items()}
    there = {row.version for row in history}  # among them, who was published once more
    names = {old: new for old, new in (earlier | now).items() if old not in there}
    told = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "history": [asdict(row) for row in history[-_KEPT:]],
        "replaced": dict(list(names.items())[-_KEPT:]),
    }
    replace_synced(root / CURRENT, (json.dumps(told, indent=2) + "\n").encode())


def _parse(file: Path) -> dict[str, Any] | None:
    try:
        told = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) and told.get("format") == _FORMAT else None
