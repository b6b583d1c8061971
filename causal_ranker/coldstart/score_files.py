"""Scores and embeddings on disk: .npz files without pickles, and Parquet tables.

An ``.npz`` file holds embeddings, ``users`` and ``items``, or one matrix, ``scores``; beside them
``user_ids`` and ``item_ids``, whole numbers or text, or else rows and columns are numbered from 0.
A Parquet table holds one score of each user for each item.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from causal_ranker.coldstart.named import NamedScores
from causal_ranker.coldstart.ranking import rows_at_once
from causal_ranker.coldstart.scores import FactoredScores, MatrixScores, Scores
from causal_ranker.coldstart.tables import read_columns, read_vectors
from causal_ranker.columns import Columns as C
from causal_ranker.errors import DataError, RowError, SchemaError
from causal_ranker.logs.failures import writing
from causal_ranker.recommenders.ids import Ids

__all__ = ["KINDS", "read_embeddings", "read_scores", "write_scores"]

#: How the names of files of scores end.
KINDS: Final = (".npz", ".parquet")

_USER_IDS: Final = "user_ids"
_ITEM_IDS: Final = "item_ids"


def read_scores(path: str) -> NamedScores:
    """Read scores or embeddings from one file.

    Parameters
    ----------
    path : str
        An ``.npz`` file, or a Parquet or CSV table of ``user_id``, ``item_id`` and ``score``.

    Returns
    -------
    NamedScores
        The scores and their ids.

    Raises
    ------
    DataError
        If it cannot be read.
    SchemaError
        If an array or a column is missing, or sizes do not fit each other.
    RowError
        If an id comes twice, a score is NaN or infinite, or a table lacks the score of a pair.
    """
    return _from_npz(Path(path)) if path.endswith(".npz") else _from_table(path)


def read_embeddings(users: str, items: str) -> NamedScores:
    """Read the two sides of a score from two tables.

    Parameters
    ----------
    users, items : str
        Parquet tables: ``user_id`` (or ``item_id``) and ``embedding``, a list of numbers.

    Returns
    -------
    NamedScores
        Products of the embeddings, and their ids.

    Raises
    ------
    DataError
        If one cannot be read, lacks a column, or holds other than numbers.
    """
    user_ids, left = read_vectors(users, id_column=C.USER)
    item_ids, right = read_vectors(items, id_column=C.ITEM)
    return NamedScores(FactoredScores(left, right), user_ids, item_ids)


def write_scores(scores: Scores, *, users: Ids, items: Ids, path: Path) -> None:
    """Write scores; readers see the old file or the whole new one.

    Embeddings stay embeddings in an ``.npz`` file. All else is written score by score, a block of
    users at a time.

    Parameters
    ----------
    scores : Scores
        Shape (n_users, n_items).
    users, items : Ids
        Of its rows and columns.
    path : Path
        A file whose name ends in one of `KINDS`, in a folder that exists.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with writing(fresh, name=f"the scores of {path}"):
            if path.suffix == ".parquet":
                _to_table(scores, users=users, items=items, path=fresh)
            else:
                _to_npz(scores, users=users, items=items, path=fresh)
            os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _from_npz(path: Path) -> NamedScores:
    try:
        # NumPy leaves a file open that it cannot read.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            expected=f"an .npz file of arrays of numbers and text at {path}",
            came=f"{type(error).__name__}: {error}",
            do="Write it with numpy.savez, ids as whole numbers or text.",
        ) from error
    scores: FactoredScores | MatrixScores
    if {"users", "items"} <= arrays.keys():
        scores = FactoredScores(arrays["users"], arrays["items"])
    elif "scores" in arrays and arrays["scores"].ndim == 2:
        scores = MatrixScores(arrays["scores"])
    else:
        raise SchemaError(
            expected=f"the arrays users and items, or a matrix scores, in {path}",
            came=", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "none",
            do="Name them so; a score is the product of a row of users and a row of items.",
        )
    rows, columns = scores.shape
    return NamedScores(
        scores,
        _ids(arrays.get(_USER_IDS), count=rows, name=_USER_IDS),
        _ids(arrays.get(_ITEM_IDS), count=columns, name=_ITEM_IDS),
    )


def _ids(given: NDArray[Any] | None, *, count: int, name: str) -> Ids:
    if given is None:
        return Ids(range(count), name=name)
    if given.ndim != 1:
        raise SchemaError(
            expected=f"one id for each row in {name}",
            came=f"an array of shape {given.shape}",
            do="Write ids as one row of whole numbers or text.",
        )
    return Ids(given.tolist(), name=name)


def _from_table(path: str) -> NamedScores:
    table = read_columns(path, [C.USER, C.ITEM, C.SCORE], name="scores")
    # Categories are sorted: rows and columns do not depend on the order of the table.
    who, what = (table[name].astype("category").cat for name in (C.USER, C.ITEM))
    shape = len(who.categories), len(what.categories)
    if len(table) != shape[0] * shape[1]:
        raise RowError(
            expected=f"one score of each of {shape[0]} users for each of {shape[1]} items",
            came=f"{len(table)} rows in the place of {shape[0] * shape[1]}",
            do="Score every pair once: what is ranked is ranked for everybody.",
        )
    place = who.codes.to_numpy(np.int64) * shape[1] + what.codes.to_numpy(np.int64)
    missing = np.flatnonzero(np.bincount(place, minlength=len(table)) == 0)
    if missing.size:
        row, column = divmod(int(missing[0]), shape[1])
        raise RowError(
            expected="each pair of a user and an item once",
            came=f"none of {missing.size} pairs, e.g. of {who.categories[row]} and "
            f"{what.categories[column]}, and others twice",
            do="Leave out the rows that repeat others, and score the pairs that are missing.",
        )
    matrix = np.empty(shape[0] * shape[1], dtype=np.float64)
    try:
        matrix[place] = table[C.SCORE].to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        raise SchemaError(
            expected=f"numbers in '{C.SCORE}'",
            came=str(table[C.SCORE].dtype),
            do="Convert the column.",
        ) from error
    return NamedScores(
        MatrixScores(matrix.reshape(shape)),
        Ids(who.categories.tolist(), name=C.USER),
        Ids(what.categories.tolist(), name=C.ITEM),
    )


def _blocks(scores: Scores) -> Iterator[tuple[int, NDArray[np.float32]]]:
    step = rows_at_once(scores.shape[1])
    for start in range(0, scores.shape[0], step):
        yield start, scores.block(start, start + step)


def _to_npz(scores: Scores, *, users: Ids, items: Ids, path: Path) -> None:
    ids = {_USER_IDS: _plain(users), _ITEM_IDS: _plain(items)}
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        sides = (
            {"users": scores.users, "items": scores.items}
            if isinstance(scores, FactoredScores)
            else {}
        )
        for name, array in {**sides, **ids}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(cast(Any, file), array, allow_pickle=False)
        if sides:
            return
        with archive.open("scores.npy", "w", force_zip64=True) as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": scores.shape}
            np.lib.format.write_array_header_1_0(cast(Any, file), header)
            for _, block in _blocks(scores):
                file.write(np.ascontiguousarray(block, dtype="<f4").tobytes())


def _plain(ids: Ids) -> NDArray[Any]:
    """Whole numbers, or text of one width: an array of objects would be a pickle."""
    if ids.ids.dtype != object:
        return ids.ids
    return np.array([str(each) for each in ids.ids])


def _to_table(scores: Scores, *, users: Ids, items: Ids, path: Path) -> None:
    who, what = _plain(users), _plain(items)
    writer = None
    try:
        for start, block in _blocks(scores):
            count = len(block)
            table = pa.table(
                {
                    C.USER: np.repeat(who[start : start + count], len(what)),
                    C.ITEM: np.tile(what, count),
                    C.SCORE: block.ravel(),
                }
            )
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
