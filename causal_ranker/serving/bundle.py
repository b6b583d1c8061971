"""A model as one folder of plain files.

The files of format 2:

=================== =============================================================
manifest.json       versions, training window, evaluation, SHA-256 of each file
uplift.txt          the uplift model, LightGBM text
uplift_golden.npz   a few feature rows and the uplift the model gave them
base.txt            the base model (with base_golden.npz), where there is one
width.txt           the model of the intervals' half-widths (with width_golden.npz), where there
                    is one; it reads what the uplift model reads, and `schema.json` has the level
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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from causal_ranker import __version__
from causal_ranker.errors import BundleError, CausalRankerError, ConfigError, SchemaError
from causal_ranker.reranking.chained import ListPolicy
from causal_ranker.serving.assembly import FeaturePlan
from causal_ranker.serving.candidates import CandidateSource
from causal_ranker.serving.counts import Counts
from causal_ranker.serving.files import ARRAY, MODEL_FILES, BundleParts, decode, encode
from causal_ranker.serving.manifest import FORMAT_VERSION, MANIFEST, Manifest, sha256
from causal_ranker.serving.mapped import map_array
from causal_ranker.serving.model import ModelPart, Scorer, TextModel
from causal_ranker.serving.promotions import VERSIONS, is_registry, is_version, read_promotions
from causal_ranker.serving.replace import make_folder, sync_folder, write_synced
from causal_ranker.serving.sides import SidePlan
from causal_ranker.serving.snapshot import FeatureSnapshot
from causal_ranker.serving.store import FeatureRows, FeatureStore
from causal_ranker.serving.width import WidthModel

__all__ = [
    "Bundle",
    "BundleContents",
    "copy_bundle",
    "load_bundle",
    "model_files",
    "rewrite_bundle",
    "version_of",
    "write_bundle",
]


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
    width : WidthPart, optional
        The model of the intervals' half-widths; without it, uplifts have no intervals.
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
    width : WidthModel, optional
        The model of the intervals' half-widths, where there is one.
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
    width: WidthModel | None = None
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


def write_bundle(path: str | Path, *, contents: BundleContents) -> Path:
    """Write a bundle into a folder of its own, unchecked.

    To publish one, give it to a :class:`~causal_ranker.serving.registry.Registry`, which writes it
    aside, verifies it, and puts it in place in one step.

    Parameters
    ----------
    path : str or Path
        The folder, which may not exist yet.
    contents : BundleContents
        What goes into it.

    Returns
    -------
    Path
        The folder, absolute.

    Raises
    ------
    BundleError
        If `path` exists, or cannot be written.
    ConfigError
        If the training window has no time zone, or the evaluation summary is not JSON.
    """
    folder = Path(path).absolute()
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
    _write(folder, {**files, MANIFEST: manifest.to_bytes()})
    return folder


def rewrite_bundle(
    source: Path, target: Path, *, change: Callable[[BundleParts], BundleParts | None]
) -> bool:
    """Write a bundle again with other parts; its manifest says the same of where it came from.

    Parameters
    ----------
    source : Path
        Folder of the bundle.
    target : Path
        Folder of the new one, which may not exist yet.
    change : callable
        Makes the new parts of the old ones; None where there is nothing to change.

    Returns
    -------
    bool
        Whether there was something to change; if not, nothing was written.

    Raises
    ------
    BundleError
        If the bundle was changed, or the new one cannot be written.
    """
    manifest = Manifest.from_bytes(_read(source, MANIFEST))
    parts = change(_parts(source, manifest))
    if parts is None:
        return False
    files = encode(parts)
    hashes = {name: sha256(content) for name, content in files.items()}
    _write(target, {**files, MANIFEST: replace(manifest, files=hashes).to_bytes()})
    return True


def copy_bundle(path: str | Path, target: Path) -> None:
    """Write a bundle again as it is, every hash checked.

    Parameters
    ----------
    path : str or Path
        Folder of a registry, whose current version is read, or of one bundle.
    target : Path
        Folder of the copy, which may not exist yet.

    Raises
    ------
    BundleError
        If `path` is neither, a file is missing or was changed, or the copy cannot be written.
    """
    folder = _folder_of(path)
    sealed = _read(folder, MANIFEST)
    digests = Manifest.from_bytes(sealed).files
    files = {name: _verified(folder, name, digest) for name, digest in digests.items()}
    _write(target, {**files, MANIFEST: sealed})


def load_bundle(path: str | Path) -> Bundle:
    """Read a bundle and check every hash, every version and the golden rows.

    Parameters
    ----------
    path : str or Path
        Folder of a registry, whose current version is read, or of one bundle.

    Returns
    -------
    Bundle
        The bundle.

    Raises
    ------
    BundleError
        If `path` is neither, nothing was promoted, a file is missing or was changed, a version is
        not the one that its folder is named after, the format is newer than this package, or the
        model does not score its golden rows.
    """
    return _load(_folder_of(path))


def model_files(bundle: Bundle) -> dict[str, bytes]:
    """Read the files that rank candidates whose features are known already, as they were published.

    Parameters
    ----------
    bundle : Bundle
        A loaded bundle.

    Returns
    -------
    dict of str to bytes
        Content by file name, for `causal_ranker.serving.files.decode_models`.

    Raises
    ------
    BundleError
        If a file is missing or was changed.
    """
    digests = bundle.manifest.files
    return {
        name: _verified(bundle.path, name, digests[name])
        for name in sorted(MODEL_FILES & digests.keys())
    }


def version_of(folder: Path) -> str:
    """Read the version of a bundle, and nothing else of it.

    Parameters
    ----------
    folder : Path
        Folder of the bundle.

    Returns
    -------
    str
        First 12 hexadecimal digits of the manifest's hash.

    Raises
    ------
    BundleError
        If there is no manifest.
    """
    return sha256(_read(folder, MANIFEST))[:12]


def _folder_of(path: str | Path) -> Path:
    """Return the folder of a bundle, where a registry was named that of its current version."""
    folder = Path(path).absolute()
    if is_registry(folder):
        return folder / VERSIONS / read_promotions(folder)[-1].version
    return folder


def _load(folder: Path) -> Bundle:
    if not folder.is_dir():
        raise BundleError(
            expected=f"a model folder at {folder}",
            came="a file" if folder.exists() else "nothing",
            do="Give the folder of a registry, or of one bundle.",
        )
    sealed = _read(folder, MANIFEST)
    version = sha256(sealed)[:12]
    named = folder.parent.name == VERSIONS and is_version(folder.name)
    if named and version != folder.name:
        # Whoever changes a file and seals the manifest again has made another version.
        raise BundleError(
            expected=f"{MANIFEST} of version {folder.name} in {folder}",
            came=f"that of version {version}, or a changed one",
            do="Publish the bundle again, or restore the file.",
        )
    try:
        manifest = Manifest.from_bytes(sealed)
        parts = _parts(folder, manifest)
        return Bundle(
            path=folder,
            version=version,
            manifest=manifest,
            policy=parts.policy,
            snapshot=parts.snapshot,
            uplift=_scorer(parts.uplift, parts.snapshot, name="uplift.txt"),
            base=None
            if parts.base is None
            else _scorer(parts.base, parts.snapshot, name="base.txt"),
            candidates=parts.candidates,
            width=None
            if parts.width is None
            else WidthModel(TextModel(parts.width.model, name="width.txt"), parts.width.level),
        )
    except CausalRankerError as error:
        raise BundleError(
            expected=f"{error.expected} (bundle {folder})", came=error.came, do=error.do
        ) from error


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    try:
        make_folder(folder.parent)
        folder.mkdir()
        for name, content in files.items():
            write_synced(folder / name, content)
        sync_folder(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise BundleError(
            expected=f"a place to write a model at {folder}",
            came=str(error),
            do="Check the path, its permissions and the free space.",
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
        do="Give the folder of a registry or of a bundle, or publish it again.",
    )


def _parts(folder: Path, manifest: Manifest) -> BundleParts:
    files, arrays = {}, {}
    for name, digest in manifest.files.items():
        if name.endswith(ARRAY):
            arrays[name.removesuffix(ARRAY)] = _mapped(folder, name, digest)
        else:
            files[name] = _verified(folder, name, digest)
    return decode(files, arrays)


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


def _utc(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ConfigError(
            expected="a training window with a time zone",
            came=str(moment),
            do="Localise the datetime, e.g. with tzinfo=UTC.",
        )
    return moment.astimezone(UTC).isoformat()
