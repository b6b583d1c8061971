"""A registry of models: publish, promote, roll back; readers see one whole version or another.

Versions are folders that never change. A publisher writes aside, syncs, verifies in a child process
and renames; the one file that says which version is current is replaced in one step. Whoever is
killed at any point leaves the old version or the new one in force, and the next publisher clears
away what lay aside.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from causal_ranker.errors import BundleError
from causal_ranker.serving.bundle import (
    BundleContents,
    copy_bundle,
    rewrite_bundle,
    version_of,
    write_bundle,
)
from causal_ranker.serving.files import BundleParts
from causal_ranker.serving.lock import locked
from causal_ranker.serving.manifest import MANIFEST, Manifest
from causal_ranker.serving.promotions import (
    CURRENT,
    LOCK,
    VERSIONS,
    Promotion,
    earlier_promotions,
    is_registry,
    is_version,
    read_promotions,
    replaced_versions,
    write_promotions,
)
from causal_ranker.serving.replace import make_folder, sync_folder
from causal_ranker.serving.verify import verify_bundle

__all__ = ["PublishedVersion", "Registry", "check_target"]

_GONE: Final = ".old"
# A child starts within a second and reads faster than this on any machine.
_VERIFY_S, _BYTES_PER_S = 60.0, 10e6


@dataclass(frozen=True, kw_only=True)
class PublishedVersion:
    """A version of a registry, by its manifest.

    Parameters
    ----------
    version : str
        The version.
    created_at : str or None
        When it was written, ISO 8601 in UTC; None where `fault` says why.
    training_window : tuple of str or None
        First moment of the training rows, and the moment before which they end.
    evaluation : Mapping
        Summary of the offline evaluation.
    current : bool
        Whether it is the one that answers.
    fault : str or None
        What is wrong with its manifest; its other files are not looked at.
    """

    version: str
    created_at: str | None
    training_window: tuple[str, str] | None
    evaluation: Mapping[str, Any]
    current: bool
    fault: str | None = None


class Registry:
    """A folder of published models.

    Nothing is touched before something is published or promoted; reading needs no right to write.

    Parameters
    ----------
    root : str or Path
        The folder.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).absolute()

    def publish(self, contents: BundleContents, *, promote: bool = True) -> str:
        """Add a version.

        Parameters
        ----------
        contents : BundleContents
            What goes into it.
        promote : bool
            Whether it answers from now on.

        Returns
        -------
        str
            The version.

        Raises
        ------
        BundleError
            If the folder is something else than a registry or cannot be written, the version does
            not pass verification, or another publisher holds the lock for two minutes.
        ConfigError
            If the training window has no time zone, or the evaluation summary is not JSON.
        """
        check_target(self.root)
        with self._writing():
            write_bundle(self._aside, contents=contents)
            version = self._put_in_place()
            if promote:
                self._promote(version)
        return version

    def adopt(self, bundle: str | Path, *, promote: bool = False) -> str:
        """Add a version that was published elsewhere, as from a registry of trials.

        Parameters
        ----------
        bundle : str or Path
            Folder of a registry, whose current version is taken, or of one bundle.
        promote : bool
            Whether it answers from now on.

        Returns
        -------
        str
            The version, under the name that it had; one that is here already is left as it is.

        Raises
        ------
        BundleError
            If the bundle was changed or does not pass verification here, or the registry cannot be
            written.
        """
        check_target(self.root)
        with self._writing():
            copy_bundle(bundle, self._aside)
            version = self._put_in_place()
            if promote:
                self._promote(version)
        return version

    def versions(self) -> list[PublishedVersion]:
        """List what was published.

        Returns
        -------
        list of PublishedVersion
            The newest first, damaged ones last; empty where nothing was.

        Raises
        ------
        BundleError
            If the folder is no registry.
        """
        self._check_registry()
        try:
            current = self.current()
        except BundleError:  # nothing promoted, or not to be read: then none of them answers
            current = ""
        found = [self._describe(name, current) for name in self._names()]
        return sorted(found, key=lambda each: (each.created_at or "", each.version), reverse=True)

    def current(self) -> str:
        """Return the version that answers.

        Returns
        -------
        str
            The version.

        Raises
        ------
        BundleError
            If the folder is no registry, or none was promoted.
        """
        self._check_registry()
        return read_promotions(self.root)[-1].version

    def path_of(self, version: str) -> Path:
        """Return the folder of a version, or of the one that took its place.

        Parameters
        ----------
        version : str
            The version.

        Returns
        -------
        Path
            Its folder.

        Raises
        ------
        BundleError
            If it was not published here.
        """
        self._check_registry()
        # One that was replaced counts no more, though it may not be removed yet.
        place = self._folder(replaced_versions(self.root).get(version, version))
        if not is_version(version) or not place.is_dir():
            raise BundleError(
                expected=f"a version of the registry {self.root}",
                came=repr(version[:40]),
                do=f"See which there are: causal-ranker models list {self.root}.",
            )
        return place

    def promote(self, version: str) -> None:
        """Let a version answer from now on; it is verified first.

        Parameters
        ----------
        version : str
            The version.

        Raises
        ------
        BundleError
            If there is no such version, it does not pass, or the registry cannot be written.
        """
        self.verify(version)
        with self._writing():
            self._promote(self.path_of(version).name)  # somebody may have rewritten it meanwhile

    def rollback(self) -> str:
        """Let the version answer that did before the current one; it is verified first.

        Rolled back again, the one before that.

        Returns
        -------
        str
            The version that answers now.

        Raises
        ------
        BundleError
            If there was none before, it does not pass, or the registry cannot be written.
        """
        self.current()  # says what is wrong before a lock is made in somebody else's folder
        with self._writing():
            history = read_promotions(self.root)
            if len(history) < 2:
                raise BundleError(
                    expected="a version that answered before the current one",
                    came=f"only {history[-1].version}",
                    do="Promote another: causal-ranker models promote.",
                )
            before = history[-2].version
            self.verify(before)
            write_promotions(self.root, history[:-1])
        return before

    def rewrite(
        self,
        change: Callable[[BundleParts], BundleParts | None],
        *,
        ready: Callable[[str, Path], object] | None = None,
    ) -> dict[str, str]:
        """Replace versions by others that differ in their parts alone, as when users are forgotten.

        What was promoted is then what took its place, which the old names lead to. The old ones
        are removed when the new ones are in force; after an interruption, the same change goes on
        where it was.

        Parameters
        ----------
        change : callable
            Makes the new parts of a version's old ones; None where there is nothing to change.
        ready : callable, optional
            Called with each old version and the folder of the new one, before any of them answers;
            where it raises, none does.

        Returns
        -------
        dict of str to str
            New version by old version.

        Raises
        ------
        BundleError
            If a version was damaged, a new one does not pass verification, or the registry cannot
            be written; no version is missing then.
        """
        self._check_registry()
        fresh: dict[str, str] = {}
        with self._writing():
            for version in self._names():
                if rewrite_bundle(self._folder(version), self._aside, change=change):
                    other = self._put_in_place()
                    self._clear()
                    if other != version:
                        fresh[version] = other
                        if ready is not None:
                            ready(version, self.path_of(other))
            history = earlier_promotions(self.root)
            moved = [replace(row, version=fresh.get(row.version, row.version)) for row in history]
            if fresh and history:
                write_promotions(self.root, moved, replaced=fresh)
            for version in fresh:
                os.rename(self._folder(version), self._aside.with_name(_GONE))
                self._clear()
            sync_folder(self._aside.parent)
        return fresh

    def verify(self, version: str) -> tuple[tuple[str, str], ...]:
        """Verify a version in a child process.

        Parameters
        ----------
        version : str
            The version.

        Returns
        -------
        tuple of tuple of str
            What was checked, and what was found.

        Raises
        ------
        BundleError
            If there is no such version, or it does not pass.
        """
        return self._verify(self.path_of(version))

    def stamp(self) -> object:
        """Look whether another version may be current, at the price of one system call.

        Returns
        -------
        object
            Equal to an earlier one as long as nothing was promoted in between.
        """
        try:
            status = (self.root / CURRENT).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _folder(self, version: str) -> Path:
        return self.root / VERSIONS / version

    def _names(self) -> list[str]:
        folder = self.root / VERSIONS
        names = [place.name for place in folder.iterdir()] if folder.is_dir() else []
        return sorted(filter(is_version, names))

    def _check_registry(self) -> None:
        if not is_registry(self.root):
            raise BundleError(
                expected=f"a registry of models at {self.root}",
                came="something else" if os.path.lexists(self.root) else "nothing",
                do="Give the folder that models were published in.",
            )

    def _describe(self, name: str, current: str) -> PublishedVersion:
        try:
            manifest = Manifest.from_bytes((self.root / VERSIONS / name / MANIFEST).read_bytes())
        except (BundleError, OSError) as error:
            return PublishedVersion(
                version=name,
                created_at=None,
                training_window=None,
                evaluation={},
                current=name == current,
                fault=str(error),
            )
        return PublishedVersion(
            version=name,
            created_at=manifest.created_at,
            training_window=manifest.training_window,
            evaluation=manifest.evaluation,
            current=name == current,
        )

    def _verify(self, folder: Path) -> tuple[tuple[str, str], ...]:
        size = sum(file.stat().st_size for file in folder.iterdir())
        return verify_bundle(folder, timeout_s=_VERIFY_S + size / _BYTES_PER_S)

    def _promote(self, version: str) -> None:
        history = earlier_promotions(self.root)
        if not history or history[-1].version != version:
            write_promotions(self.root, [*history, Promotion.now(version)])

    @property
    def _aside(self) -> Path:
        """Where a version is written; under the lock, what lies there already is nobody's."""
        return self.root / VERSIONS / ".new"

    def _put_in_place(self) -> str:
        """Make a version of what lies aside."""
        version = version_of(self._aside)
        self._verify(self._aside)
        place = self.root / VERSIONS / version
        if place.exists():  # the same content, to the microsecond
            self.verify(version)
        else:
            os.rename(self._aside, place)
            sync_folder(place.parent)
        return version

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the lock, and leave nothing aside that is not a version."""
        try:
            make_folder(self.root)
            with locked(self.root / LOCK):  # first of all: it marks the folder as ours
                make_folder(self.root / VERSIONS)
                self._clear()
                try:
                    yield
                finally:
                    self._clear()
        except OSError as error:
            raise BundleError(
                expected=f"a registry of models that can be written at {self.root}",
                came=str(error),
                do="Check the path, its permissions and the free space.",
            ) from error

    def _clear(self) -> None:
        for place in (self._aside, self._aside.with_name(_GONE)):
            if place.exists():
                shutil.rmtree(place)


def check_target(path: str | Path) -> Path:
    """Refuse a place that something else than a registry has taken.

    Publishing asks this first; whoever works long before publishing may ask it earlier.

    Parameters
    ----------
    path : str or Path
        Folder that models are to be published in.

    Returns
    -------
    Path
        The folder, absolute.

    Raises
    ------
    BundleError
        If it exists, and is neither an empty folder nor a registry.
    """
    root = Path(path).absolute()
    if not os.path.lexists(root):
        return root
    came = "a file"
    if root.is_dir():
        # In this order: who publishes for the first time beside us makes the lock first of all.
        if not any(root.iterdir()) or is_registry(root):
            return root
        bundle = (root / MANIFEST).is_file()
        came = "a single bundle" if bundle else "a folder with other things in it"
    raise BundleError(
        expected=f"no file, an empty folder or a registry of models at {root}",
        came=came,
        do="Choose another path; nothing was overwritten.",
    )
