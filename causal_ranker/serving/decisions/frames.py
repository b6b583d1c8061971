"""Records in a file: each in a frame with its length and a checksum.

A file begins with eight bytes that name the format. A frame is a mark of four bytes, the length
and a CRC-32 of length and content (little-endian), and the content. The mark holds a byte that is
in no UTF-8 text, and lets a reader find the next whole frame behind bytes that were changed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["MAGIC", "Damage", "Frame", "frame", "frames"]

MAGIC: Final = b"CRDLOG1\n"
_MARK: Final = b"\xc1CRD"
_HEAD: Final = struct.Struct("<4sII")


@dataclass(frozen=True)
class Frame:
    """A whole frame.

    Parameters
    ----------
    offset : int
        Where it begins in the file.
    content : bytes
        What it holds, checksum verified.
    """

    offset: int
    content: bytes


@dataclass(frozen=True)
class Damage:
    """Bytes that are no whole frame.

    Parameters
    ----------
    offset : int
        Where they begin in the file.
    size : int
        How many.
    tail : bool
        Whether no whole frame follows: a record that a crash cut off looks like that.
    """

    offset: int
    size: int
    tail: bool


def frame(content: bytes) -> bytes:
    """Put content into a frame.

    Parameters
    ----------
    content : bytes
        Below 4 GiB.

    Returns
    -------
    bytes
        The frame.
    """
    return _HEAD.pack(_MARK, len(content), _checksum(content)) + content


def frames(data: bytes) -> Iterator[Frame | Damage]:
    """Read every whole frame of a file, and tell what lies between them.

    Parameters
    ----------
    data : bytes
        The file.

    Yields
    ------
    Frame or Damage
        In order; together they are the whole file behind its first eight bytes.
    """
    at = len(MAGIC) if data.startswith(MAGIC) else 0
    while at < len(data):
        end = _end(data, at)
        if end:
            yield Frame(at, data[at + _HEAD.size : end])
            at = end
            continue
        behind = data.find(_MARK, at + 1)
        while behind > 0 and not _end(data, behind):
            behind = data.find(_MARK, behind + 1)
        if behind < 0:
            yield Damage(at, len(data) - at, tail=True)
            return
        yield Damage(at, behind - at, tail=False)
        at = behind


def _end(data: bytes, at: int) -> int:
    """Return where the frame that begins here ends; 0 if none does."""
    if at + _HEAD.size > len(data):
        return 0
    mark, length, checksum = _HEAD.unpack_from(data, at)
    start = at + _HEAD.size
    if mark != _MARK or start + length > len(data):
        return 0
    return start + length if _checksum(data[start : start + length]) == checksum else 0


def _checksum(content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(len(content).to_bytes(4, "little")))
