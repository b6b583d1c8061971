"""API keys: long random secrets of which a file keeps hashes only.

A key is ``cr_<id>_<secret>``; its secret is 256 bits from the system's source of randomness. Its
SHA-256 is kept. A slow hash (scrypt, Argon2) slows down guessing of what people choose; nobody
guesses 256 random bits, and a slow hash would cost more than the whole answer, at every request.

Several keys hold at a time, so that a new one can be handed out before the old one is revoked. A
server sees a changed file at its next request.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from causal_ranker.errors import ConfigError

__all__ = ["KeyRing", "StoredKey", "new_key", "read_keys", "revoke_key"]

_log = logging.getLogger(__name__)
_PREFIX: Final = "cr"
_NOBODY: Final = "0" * 64  # compared with where no key has the id, so that both take as long


@dataclass(frozen=True, kw_only=True)
class StoredKey:
    """What the file says of one key.

    Parameters
    ----------
    id : str
        Public name of the key.
    sha256 : str
        Hash of the whole key, in hex.
    created_at : str
        When it was made, ISO 8601 in UTC.
    note : str
        Whose it is.
    """

    id: str
    sha256: str
    created_at: str
    note: str


class KeyRing:
    """The keys of a file, read again whenever it changes.

    Where a changed file cannot be read, the keys before it go on to hold, and the log says so.

    Parameters
    ----------
    path : str or Path
        The file that `new_key` writes.

    Raises
    ------
    ConfigError
        If it cannot be read or holds no key.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._seen = self._stamp()
        self._hashes = _hashes(read_keys(path))
        if not self._hashes:
            raise ConfigError(
                expected=f"at least one key in {path}",
                came="none",
                do="Make one: causal-ranker keys new.",
            )

    def holds(self, key: str) -> bool:
        """Tell whether a key is valid now, in a time that does not depend on how much is right.

        Parameters
        ----------
        key : str
            The whole key, as a client sends it.

        Returns
        -------
        bool
            Whether it may enter.
        """
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            self._read_again()
        name = key.split("_", 2)[1] if key.count("_") > 1 else ""
        known = self._hashes.get(name, _NOBODY)
        return hmac.compare_digest(_sha256(key), known)

    def _read_again(self) -> None:
        try:
            self._hashes = _hashes(read_keys(self._path))
        except ConfigError as error:
            _log.error("the keys before it go on to hold: %s", error)

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def new_key(path: str | Path, *, note: str = "") -> str:
    """Make a key and keep its hash.

    Parameters
    ----------
    path : str or Path
        The file of hashes; it is made where there is none, readable by its owner only.
    note : str
        Whose it is.

    Returns
    -------
    str
        The key. It is written down nowhere.

    Raises
    ------
    ConfigError
        If the file cannot be read or written.
    """
    with _changing(path) as keys:
        name = secrets.token_hex(4)
        while any(key.id == name for key in keys):
            name = secrets.token_hex(4)
        key = f"{_PREFIX}_{name}_{secrets.token_urlsafe(32)}"
        now = datetime.now(UTC).isoformat(timespec="seconds")
        stored = StoredKey(id=name, sha256=_sha256(key), created_at=now, note=note)
        _write(Path(path), [*keys, stored])
    return key


def revoke_key(path: str | Path, name: str) -> None:
    """Take a key out of the file.

    Parameters
    ----------
    path : str or Path
        The file of hashes.
    name : str
        The key's id.

    Raises
    ------
    ConfigError
        If no key has it, or the file cannot be read or written.
    """
    with _changing(path) as keys:
        left = [key for key in keys if key.id != name]
        if len(left) == len(keys):
            raise ConfigError(
                expected=f"the id of a key: {', '.join(key.id for key in keys) or 'there is none'}",
                came=repr(name[:16]),
                do="See causal-ranker keys list.",
            )
        _write(Path(path), left)


def read_keys(path: str | Path) -> list[StoredKey]:
    """Read what is kept of each key.

    Parameters
    ----------
    path : str or Path
        The file of hashes.

    Returns
    -------
    list of StoredKey
        Oldest first.

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    names = {field.name for field in fields(StoredKey)}
    try:
        said = json.loads(Path(path).read_bytes())["keys"]
        found = [StoredKey(**{name: str(each[name]) for name in names}) for each in said]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(
            expected=f"keys in {path}",
            came=f"{type(error).__name__}: {error}",
            do="Make the file with causal-ranker keys new, or put back a copy of it.",
        ) from None
    return found


@contextmanager
def _changing(path: str | Path) -> Iterator[list[StoredKey]]:
    """Hold the folder, so that of two who change the file at once neither undoes the other."""
    import fcntl  # absent on Windows, where a server may well read keys

    folder = Path(path).absolute().parent
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield read_keys(path) if os.path.lexists(path) else []
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(
            expected=f"a file of keys that can be written: {path}",
            came=str(error),
            do="Check the folder and who owns it.",
        ) from None


def _write(path: Path, keys: Sequence[StoredKey]) -> None:
    content = json.dumps({"keys": [asdict(key) for key in keys]}, indent=1) + "\n"
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)  # of somebody who was killed while writing
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(aside, path)


def _hashes(keys: Sequence[StoredKey]) -> dict[str, str]:
    return {key.id: key.sha256 for key in keys}


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
