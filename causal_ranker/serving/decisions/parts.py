"""Files of tables, written aside while a transaction of the index goes on."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from causal_ranker.serving.decisions.index import CompactionIndex

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Parts"]


class Parts:
    """Writes files of a compacted folder: one for each table and segment.

    Parameters
    ----------
    index : CompactionIndex
        The folder's index.

    Attributes
    ----------
    names : list of str
        Files written so far, relative to the folder.
    """

    def __init__(self, index: CompactionIndex) -> None:
        self._index = index
        self._open: dict[tuple[str, str], Any] = {}
        self._stack = ExitStack()
        self.names: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def write(self, table: str, segment: str, rows: pa.Table) -> int:
        """Append rows to a file, which the first rows create.

        Parameters
        ----------
        table, segment : str
            Which file. It takes the place of the one that there is.
        rows : pyarrow.Table
            The rows.

        Returns
        -------
        int
            How many rows.
        """
        if not rows.num_rows:
            return 0
        import pyarrow.parquet as pq

        writer = self._open.get((table, segment))
        if writer is None:
            number = 0
            for name in self._index.files(table, segment):
                number = int(name.split(".")[-2]) + 1
            name = f"{table}/{segment}.{number}.parquet"
            self.names.append(name)
            file = self._index.aside(name)
            file.touch(mode=0o600)  # it names users
            writer = pq.ParquetWriter(file, rows.schema, compression="zstd")
            self._stack.callback(writer.close)
            self._open[table, segment] = writer
        writer.write_table(rows)
        return int(rows.num_rows)

    def read(self, table: str, segment: str) -> tuple[str, pa.Table] | None:
        """Read the file of a table and a segment that counts so far.

        Parameters
        ----------
        table, segment : str
            Which file.

        Returns
        -------
        tuple of str and pyarrow.Table, or None
            Its name relative to the folder, and what it holds; None if there is none.
        """
        import pyarrow.parquet as pq

        for name in self._index.files(table, segment):
            return name, pq.ParquetFile(self._index.folder / name).read()
        return None
