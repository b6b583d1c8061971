"""A published model: one folder of plain files that is whole or not there at all.

The files of format 2:

=================== =============================================================
manifest.json       versions, training window, evaluation, SHA-256 of each file
uplift.txt          the uplift model, LightGBM text
uplift_golden.npz   a few feature rows and the uplift the model gave them
base.txt            the base model (with base_golden.npz), where there is one
policy.json         the policy
schema.json         features of each model, in order
snapshot.json       names of the features in the store, and defaults of the moment
users_*.npy         ids, their index, and features of the users; likewise items_*.npy
pairs_*.npy         features of users and items together
candidates_*.npy    each user's candidates; without them, every item is one
=================== =============================================================

Nothing is pickled. Every file is hashed before anything parses it, because a changed LightGBM text
can crash the process or silently score wrong. The arrays are mapped into memory and not read: a
published folder may be replaced or deleted, and its files never change.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from causal_ranker import __version__
from causal_ranker.errors import BundleError, CausalRankerError, ConfigError, SchemaError
from causal_ranker.reranking.chained import ListPolicy
from causal_ranker.serving.assembly import FeaturePlan
from causal_ranker.serving.candidates import CandidateSource
from causal_ranker.serving.counts import Counts
from causal_ranker.serving.files import ARRAY, BundleParts, decode, encode
from causal_ranker.serving.manifest import (
    FORMAT_VERSION,
    MANIFEST,
    Manifest,
    is_manifest,
    sha256,
)
from causal_ranker.serving.mapped import map_array
from causal_ranker.serving.model import ModelPart, Scorer, TextModel
from causal_ranker.serving.replace import put_in_place, sync_folder, write_synced
from causal_ranker.serving.sides import SidePlan
from causal_ranker.serving.snapshot import FeatureSnapshot
from causal_ranker.serving.store import FeatureRows, FeatureStore

__all__ = ["Bundle", "BundleContents", "check_target", "load_bundle", "publish_bundle"]

# A folder that is replaced while it is read is read again; nobody publishes this often.
_ATTEMPTS: Final = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class BundleContents(BundleParts):
    """What goes into a bundle: its parts, and what the manifest says of them.

    Parameters
    ----------
    uplift : ModelPart
        The uplift model.
    policy : Policy or ChainedPolicy
        The policy that orders the candidates.
    snapshot : FeatureSnapshot
        Features of users, items and pairs at the moment of publishing.
    base : ModelPart, optional
        The base model, without features of the group "base". Without one, callers must send
        base scores.
    candidates : CandidateSource, optional
        Each user's candidates; without it, every item of the snapshot is one.
    training_window : tuple of datetime
        First moment of the training rows, and the moment before which they end; with a time zone.
    evaluation : Mapping
        Summary of the offline evaluation: any JSON object, ``{}`` if there was none.
    """

    training_window: tuple[datetime, datetime]
    evaluation: Mapping[str, Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class Bundle:
    """A loaded bundle, ready to rank.

    Parameters
    ----------
    path : Path
        The folder it came from.
    version : str
        First 12 hexadecimal digits of the manifest's hash.
    manifest : Manifest
        What the bundle says of itself.
    policy : Policy or ChainedPolicy
        The policy that orders the candidates.
    snapshot : FeatureSnapshot
        Features of users, items and pairs, mapped into memory.
    uplift : Scorer
        The uplift model and where its features come from.
    base : Scorer, optional
        The base model and where its features come from, where there is one.
    candidates : CandidateSource, optional
        Each user's candidates; ``None``: every item.
    store : FeatureStore, optional
        Where the features of a request are read; by default, and in every bundle that was just
        loaded, the snapshot.
    counts : Counts
        Lists given and fall-backs by reason, since loading.

    Attributes
    ----------
    sides : SidePlan
        Where the columns that the policy's rules read come from.

    Raises
    ------
    SchemaError
        If the policy reads a column that is no feature of the uplift model, or the store holds
        other features than the snapshot.
    ConfigError
        If it names a level that its column does not have.
    """

    path: Path
    version: str
    manifest: Manifest
    policy: ListPolicy
    snapshot: FeatureSnapshot
    uplift: Scorer
    base: Scorer | None
    candidates: CandidateSource | None
    store: FeatureStore | None = None
    counts: Counts = field(default_factory=Counts)
    sides: SidePlan = field(init=False, repr=False)

    def __post_init__(self) -> None:
        schema = self.uplift.plan.schema
        sides = SidePlan(self.policy, schema=schema, snapshot=self.snapshot)
        object.__setattr__(self, "sides", sides)
        mine = self.snapshot.layout.digest
        if self.store is not None and self.store.layout.digest != mine:
            raise SchemaError(
                expected=f"a feature store in the layout {mine} of the bundle",
                came=f"one in the layout {self.store.layout.digest}",
                do="Push the features of this bundle to the store.",
            )

    def read(self, user: int | str, items: Sequence[int | str]) -> FeatureRows:
        """Look up the features of one request where this bundle reads them.

        Parameters
        ----------
        user : int or str
            The user's id.
        items : sequence of int or str
            Item ids, each once.

        Returns
        -------
        FeatureRows
            What the store knows.
        """
        return (self.snapshot if self.store is None else self.store).read(user, items)


def publish_bundle(path: str | Path, *, contents: BundleContents) -> Path:
    """Write a bundle, check that it loads, and put it in place in one step.

    The files are written and synced in a temporary folder beside `path`, which is loaded once
    (golden rows included) before it changes places with what stood there. A reader, or a publisher
    that is killed, leaves or finds the old bundle or the new one.

    Parameters
    ----------
    path : str or Path
        Folder of the bundle. It may not exist, be empty, or be a bundle that is replaced.
    contents : BundleContents
        What goes into it.

    Returns
    -------
    Path
        The folder, absolute.

    Raises
    ------
    BundleError
        If `path` is something else than a bundle, cannot be written, or the bundle would not load.
    ConfigError
        If the training window has no time zone, or the evaluation summary is not JSON.
    """
    target = check_target(path)
    start, end = (_utc(moment) for moment in contents.training_window)
    files = encode(contents)
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        package_version=__version__,
        created_at=_utc(datetime.now(UTC)),
        training_window=(start, end),
        evaluation=contents.evaluation,
        files={name: sha256(content) for name, content in files.items()},
    )
    files[MANIFEST] = manifest.to_bytes()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as aside:
            fresh = Path(aside) / "new"
            fresh.mkdir()
            for name, content in files.items():
                write_synced(fresh / name, content)
            sync_folder(fresh)
            load_bundle(fresh)
            put_in_place(fresh, target)
            sync_folder(target.parent)
    except OSError as error:
        raise BundleError(
            expected=f"a place to publish a model at {target}",
            came=str(error),
            do="Check the path, its permissions and the free space.",
        ) from error
    return target


def check_target(path: str | Path) -> Path:
    """Refuse a place that something else than a bundle has taken.

    Publishing asks this first; whoever works long before publishing may ask it earlier.

    Parameters
    ----------
    path : str or Path
        Folder that a bundle is to be published in.

    Returns
    -------
    Path
        The folder, absolute.

    Raises
    ------
    BundleError
        If it exists, and is neither an empty folder nor a bundle.
    """
    target = Path(path).resolve()
    if not os.path.lexists(target):
        return target
    came = "a file"
    if target.is_dir():
        manifest = target / MANIFEST
        if not any(target.iterdir()) or (manifest.is_file() and is_manifest(manifest.read_bytes())):
            return target
        came = "a folder with other things in it"
    raise BundleError(
        expected=f"no file, an empty folder or a model bundle at {target}",
        came=came,
        do="Choose another path; nothing was overwritten.",
    )


def load_bundle(path: str | Path) -> Bundle:
    """Read a bundle and check every hash, every version and the golden rows.

    Parameters
    ----------
    path : str or Path
        Folder of the bundle.

    Returns
    -------
    Bundle
        The bundle.

    Raises
    ------
    BundleError
        If `path` is not a folder or no bundle, a file is missing or was changed, the format is
        newer than this package, or the model does not score its golden rows.
    """
    folder = Path(path)
    for _ in range(_ATTEMPTS - 1):
        before = _identity(folder)
        try:
            return _load(folder)
        except BundleError:
            if _identity(folder) == before:
                raise
    return _load(folder)


def _load(folder: Path) -> Bundle:
    if not folder.is_dir():
        raise BundleError(
            expected=f"a model folder at {folder}",
            came="a file" if folder.exists() else "nothing",
            do="Give the folder that publish wrote.",
        )
    sealed = _read(folder, MANIFEST)
    try:
        manifest = Manifest.from_bytes(sealed)
        files, arrays = {}, {}
        for name, digest in manifest.files.items():
            if name.endswith(ARRAY):
                arrays[name.removesuffix(ARRAY)] = _mapped(folder, name, digest)
            else:
                files[name] = _verified(folder, name, digest)
        parts = decode(files, arrays)
        return Bundle(
            path=folder,
            version=sha256(sealed)[:12],
            manifest=manifest,
            policy=parts.policy,
            snapshot=parts.snapshot,
            uplift=_scorer(parts.uplift, parts.snapshot, name="uplift.txt"),
            base=None
            if parts.base is None
            else _scorer(parts.base, parts.snapshot, name="base.txt"),
            candidates=parts.candidates,
        )
    except CausalRankerError as error:
        raise BundleError(
            expected=f"{error.expected} (bundle {folder})", came=error.came, do=error.do
        ) from error


def _scorer(part: ModelPart, snapshot: FeatureSnapshot, *, name: str) -> Scorer:
    return Scorer(TextModel(part, name=name), FeaturePlan(part.schema, snapshot))


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise _unreadable(folder, name, error) from None


def _mapped(folder: Path, name: str, digest: str) -> NDArray[Any]:
    try:
        return map_array(folder / name, digest=digest)
    except OSError as error:
        raise _unreadable(folder, name, error) from None


def _unreadable(folder: Path, name: str, error: OSError) -> BundleError:
    return BundleError(
        expected=f"the file {name} of a model bundle in {folder}",
        came=error.strerror or str(error),
        do="Give the folder that publish wrote, or publish it again.",
    )


def _verified(folder: Path, name: str, digest: str) -> bytes:
    content = _read(folder, name)
    found = sha256(content)
    if found != digest:
        raise BundleError(
            expected=f"{name} as it was published, SHA-256 {digest[:12]}",
            came=f"a changed file of {len(content)} bytes, SHA-256 {found[:12]}",
            do="Publish the bundle again, or restore the file.",
        )
    return content


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _utc(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ConfigError(
            expected="a training window with a time zone",
            came=str(moment),
            do="Localise the datetime, e.g. with tzinfo=UTC.",
        )
    return moment.astimezone(UTC).isoformat()
