"""Rows of factors asked for before they are needed, so that no step waits for memory.

Which users and items come next is known, where they lie in memory no processor guesses: without
this, most of a step on a log of many users is waiting. It changes no number.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker._extras import require

__all__ = ["AHEAD", "prefetch_row", "teach_prefetching"]

#: How many pairs ahead: later, and memory is slower than the steps; earlier, and what came first
#: has left the nearest cache.
AHEAD: Final = 4
#: Numbers of float32 in what a processor fetches at once.
_LINE: Final = 16


def prefetch_row(table: NDArray[np.float32], row: np.uint32) -> None:
    """Ask for a row of factors; nothing in Python, an instruction a line where compiled.

    Parameters
    ----------
    table : ndarray of float32, shape (n, k)
        Factors.
    row : uint32
        Below n: addresses beyond are not looked at, and do no harm.
    """


@cache
def teach_prefetching() -> None:
    """Tell numba what `prefetch_row` is in machine code; once a process.

    Raises
    ------
    MissingExtraError
        If numba is not installed.
    """
    numba, extending, core, ir = (
        _numba(part) for part in ("numba", "numba.extending", "numba.core", "llvmlite.ir")
    )
    intp = numba.types.intp

    def ask(_context: Any, table: Any, row: Any, column: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind, *kinds = signature.args
            array = context.make_array(kind)(context, builder, values[0])
            at = [
                context.cast(builder, value, given, intp)
                for value, given in zip(values[1:], kinds, strict=True)
            ]
            place = core.cgutils.get_item_pointer(
                context, builder, kind, array, at, wraparound=False
            )
            byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
            called = core.cgutils.get_or_insert_function(
                builder.module,
                ir.FunctionType(ir.VoidType(), [byte, number, number, number]),
                "llvm.prefetch.p0i8",
            )
            # To be written, to be kept in every cache, and data.
            builder.call(called, [builder.bitcast(place, byte), number(1), number(3), number(1)])
            return context.get_dummy_value()

        return numba.types.void(table, row, column), build

    line, asked = _LINE, extending.intrinsic(ask)

    def compiled_row(table: Any, row: Any) -> Any:
        def each_line(table: Any, row: Any) -> None:
            for column in range(0, table.shape[1], line):
                asked(table, row, column)

        return each_line

    extending.overload(prefetch_row)(compiled_row)


def _numba(part: str) -> Any:
    return require(part, extra="collaborative")
