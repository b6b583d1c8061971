"""Ids in one order on every engine.

Integers have one. Strings do not: some engines compare their bytes, others go by the language of a
collation, so that 'a' comes before 'B' here and after it there. Their MD5 is the same everywhere,
and so is the order of its digits.
"""

from __future__ import annotations

from typing import Any

import ibis

from causal_ranker.logs.engine import runs_on

__all__ = ["id_order", "text_hash"]


def id_order(ids: ibis.Column) -> list[Any]:
    """Return what to order by so that ids come alike on every engine.

    Parameters
    ----------
    ids : ibis.Column
        Integers or strings.

    Returns
    -------
    list of ibis.Column
        Integers themselves. Strings by `text_hash`, and by themselves should two share a hash.
    """
    return [text_hash(ids), ids] if ids.type().is_string() else [ids]


def text_hash(text: ibis.Column) -> Any:
    """Return a hash of texts that is the same on every engine.

    DuckDB, Spark, Postgres and Snowflake write it alike; BigQuery gives the bytes, whose order is
    that of the digits. Trino takes no text: its tables are told by their connection, so a table
    that no engine holds yet cannot be hashed there.

    Parameters
    ----------
    text : ibis.Column
        Strings.

    Returns
    -------
    ibis.Column
        The MD5 digest as 32 lower-case hexadecimal digits.
    """
    if runs_on(text, "trino"):
        return _to_hex(_md5_bytes(_to_utf8(text))).lower()
    return _md5(text)


@ibis.udf.scalar.builtin(name="md5")  # type: ignore[untyped-decorator]
def _md5(text: str) -> str:  # type: ignore[empty-body]
    """Return the MD5 digest as hexadecimal digits; the engine's own function."""


@ibis.udf.scalar.builtin(name="md5")  # type: ignore[untyped-decorator]
def _md5_bytes(data: bytes) -> bytes:  # type: ignore[empty-body]
    """Return the MD5 digest; Trino's own function."""


@ibis.udf.scalar.builtin(name="to_utf8")  # type: ignore[untyped-decorator]
def _to_utf8(text: str) -> bytes:  # type: ignore[empty-body]
    """Return a text's bytes; Trino's own function."""


@ibis.udf.scalar.builtin(name="to_hex")  # type: ignore[untyped-decorator]
def _to_hex(data: bytes) -> str:  # type: ignore[empty-body]
    """Return bytes as upper-case hexadecimal digits; Trino's own function."""
