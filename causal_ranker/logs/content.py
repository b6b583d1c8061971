"""A hash of what a table holds, whatever the order of its rows and the files that they lie in."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from causal_ranker.stats.hashing import hash_words

__all__ = ["Content", "content_of"]

_ROWS: Final = 1_000_000
_MISSING: Final = "missing"
_ROW: Final = "row"


@dataclass(frozen=True, slots=True)
class Content:
    """What a table holds, in short.

    Parameters
    ----------
    rows : int
        Rows.
    digest : str
        32 hexadecimal digits: equal for equal rows in whatever order.
    """

    rows: int
    digest: str


def content_of(table: ibis.Table) -> Content:
    """Hash the rows of a table.

    A value's word is a hash salted with the name and the kind of its column, a row's word a hash of
    the sum of these, and the table's the sum of its rows' (modulo 2^64), hashed with the number of
    rows and the columns. So neither the order of rows and columns counts, nor the width of an
    integer or of a float that loses nothing by it, nor Parquet or CSV; each value does, and so does
    how often a row comes. It is read once, a million rows at a time. It tells tables apart that
    differ by accident (two that do share a digest once in 2^64), not by somebody's design.

    Parameters
    ----------
    table : ibis.Table
        The table.

    Returns
    -------
    Content
        Rows and digest.
    """
    total, rows = np.uint64(0), 0
    schema = table.schema().to_pyarrow()
    with np.errstate(over="ignore"):  # modulo 2^64
        for batch in table.to_pyarrow_batches(chunk_size=_ROWS):
            total += _row_words(batch).sum(dtype=np.uint64)
            rows += batch.num_rows
    columns = sorted(f"{column.name} {_kind(column.type)}" for column in schema)
    told = "\n".join([str(rows), str(int(total)), *columns])
    return Content(rows, blake2b(told.encode(), digest_size=16).hexdigest())


def _row_words(batch: pa.RecordBatch) -> NDArray[np.uint64]:
    total = np.zeros(batch.num_rows, dtype=np.uint64)
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        total += _value_words(column, salt=f"{name} {_kind(column.type)}")
    return hash_words(total, salt=_ROW)


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind):
        return "number"
    if pa.types.is_boolean(kind):
        return "flag"
    if pa.types.is_timestamp(kind):
        return "moment"
    return "text"


def _value_words(column: pa.Array, *, salt: str) -> NDArray[np.uint64]:
    """Hash a column; what is missing has a word of its own."""
    kind = _kind(column.type)
    known = column.drop_null()
    if kind == "text":
        words = _text_words(known, salt=salt)
    else:
        words = hash_words(_bits(known, kind), salt=salt)
    if not column.null_count:
        return words
    missing = hash_words([_MISSING], salt=salt + " " + _MISSING)
    out = np.full(len(column), missing[0], dtype=np.uint64)
    out[column.is_valid().to_numpy(zero_copy_only=False)] = words
    return out


def _bits(known: pa.Array, kind: str) -> NDArray[Any]:
    """Return the values as integers that differ where they do."""
    if kind == "number":
        values = known.cast(pa.float64()).to_numpy(zero_copy_only=False) + 0.0  # -0 is 0
        return np.where(np.isnan(values), np.nan, values).view(np.int64)
    if kind == "moment":
        known = known.cast(pa.timestamp("us", tz=known.type.tz)).cast(pa.int64())
    if pa.types.is_uint64(known.type):
        whole: NDArray[Any] = known.to_numpy(zero_copy_only=False)
        return whole
    integers: NDArray[Any] = known.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return integers


def _text_words(known: pa.Array, *, salt: str) -> NDArray[np.uint64]:
    """Hash each distinct text once; what is no text is written as Python writes it."""
    if not (pa.types.is_string(known.type) or pa.types.is_large_string(known.type)):
        known = pa.array([str(value) for value in known.to_pylist()], type=pa.string())
    coded = pc.dictionary_encode(known)
    texts = np.array(coded.dictionary.to_pylist(), dtype=object)
    if not len(texts):
        return np.empty(0, dtype=np.uint64)
    code = coded.indices.to_numpy(zero_copy_only=False)
    words: NDArray[np.uint64] = hash_words(texts, salt=salt)[code]
    return words
