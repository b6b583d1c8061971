"""The compiled loops: one step is the gradient of the stated loss, and Python agrees."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.errors import MissingExtraError
from causal_ranker.uplift.collaborative.kernels import (
    FASTMATH,
    compiled,
    pair_steps,
    point_steps,
    tied_steps,
)
from causal_ranker.uplift.collaborative.prefetch import prefetch_row, teach_prefetching
from tests.fresh import loaded_by

Arrays = tuple[NDArray[Any], ...]
L2, TIE = 0.3, 0.7


def codes(*values: int) -> NDArray[np.int32]:
    return np.array(values, dtype=np.int32)


def floats(*values: float) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


def softplus(z: float) -> float:
    return float(np.logaddexp(0, z))


def parameters(*arms: int) -> Arrays:
    rng = np.random.default_rng(3)
    shapes = ((*arms, 3, 5), (*arms, 4, 5), (*arms, 4))
    return tuple(rng.normal(0, 0.7, shape).astype(np.float32) for shape in shapes)


def pair_loss(arrays: Arrays, *, weight: float, slope: float) -> float:
    p, q, b = arrays
    u, i, j = 2, 1, 3
    margin = p[u] @ (q[i] - q[j]) + b[i] - b[j]
    squares = p[u] @ p[u] + q[i] @ q[i] + q[j] @ q[j] + b[i] ** 2 + b[j] ** 2
    return weight * softplus(-slope * margin) + L2 / 2 * float(squares)


def point_loss(arrays: Arrays, *, label: float) -> float:
    p, q, b = arrays
    u, i = 2, 1
    squares = p[u] @ p[u] + q[i] @ q[i] + b[i] ** 2
    return softplus(-label * (p[u] @ q[i] + b[i])) + L2 / 2 * float(squares)


def tied_loss(arrays: Arrays, *, arm: int, label: float) -> float:
    p, q, b = arrays
    u, i = 2, 1
    apart = ((p[1, u] - p[0, u]) ** 2).sum() + ((q[1, i] - q[0, i]) ** 2).sum()
    apart += (b[1, i] - b[0, i]) ** 2
    return point_loss((p[arm], q[arm], b[arm]), label=label) + TIE / 2 * float(apart)


def gradient(loss: Callable[[Arrays], float], arrays: Arrays) -> list[NDArray[np.float64]]:
    """Central differences in float64, one number at a time."""
    wide = tuple(array.astype(np.float64) for array in arrays)
    found = []
    for array in wide:
        slopes = np.empty(array.size)
        flat = array.reshape(-1)
        for at in range(flat.size):
            here = flat[at]
            flat[at] = here + 1e-5
            above = loss(wide)
            flat[at] = here - 1e-5
            slopes[at] = (above - loss(wide)) / 2e-5
            flat[at] = here
        found.append(slopes.reshape(array.shape))
    return found


CASES: dict[str, tuple[Any, tuple[int, ...], Arrays, tuple[float, ...], Any]] = {}
for _w, _slope in ((1.0, 1.0), (7.5, 1.0), (2.0, -1.0), (0.5, -3.0)):
    CASES[f"pair weight {_w} slope {_slope}"] = (
        pair_steps,
        (),
        (codes(2), codes(1), codes(3), floats(_w), floats(_slope)),
        (L2,),
        lambda arrays, w=_w, slope=_slope: pair_loss(arrays, weight=w, slope=slope),
    )
for _label in (1.0, -1.0):
    CASES[f"point label {_label}"] = (
        point_steps,
        (),
        (codes(2), codes(1), floats(_label)),
        (L2,),
        lambda arrays, label=_label: point_loss(arrays, label=label),
    )
    for _arm in (0, 1):
        CASES[f"tied arm {_arm} label {_label}"] = (
            tied_steps,
            (2,),
            (codes(2), codes(1), codes(_arm), floats(_label)),
            (L2, TIE),
            lambda arrays, arm=_arm, label=_label: tied_loss(arrays, arm=arm, label=label),
        )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("fast", [True, False])
def test_one_step_is_the_gradient_of_the_stated_loss(case: str, fast: bool) -> None:
    loop, arms, batch, penalties, loss = CASES[case]
    before = parameters(*arms)
    after = tuple(array.copy() for array in before)
    (compiled(loop) if fast else loop)(
        *batch, *after, np.float32(1), *(np.float32(each) for each in penalties)
    )
    for old, new, slope in zip(before, after, gradient(loss, before), strict=True):
        np.testing.assert_allclose(old.astype(np.float64) - new, slope, rtol=0, atol=2e-6)


@pytest.mark.parametrize("loop", [pair_steps, point_steps, tied_steps])
def test_later_pairs_see_what_earlier_ones_changed_and_python_agrees(loop: Any) -> None:
    rng = np.random.default_rng(0)
    n, arms = 200, (2,) if loop is tied_steps else ()
    user, item = rng.integers(3, size=n, dtype=np.int32), rng.integers(4, size=n, dtype=np.int32)
    sign = rng.choice(floats(-1, 1), n)
    batch: Arrays = (user, item, sign)
    if loop is pair_steps:
        other = (item + rng.integers(1, 4, size=n, dtype=np.int32)) % np.int32(4)
        batch = (user, item, other, rng.random(n, dtype=np.float32), sign)
    elif loop is tied_steps:
        batch = (user, item, rng.integers(2, size=n, dtype=np.int32), sign)
    numbers = (np.float32(0.1), np.float32(0.01), np.float32(0.05))[: 3 if arms else 2]
    whole, python, one_by_one = (
        tuple(array.copy() for array in parameters(*arms)) for _ in range(3)
    )
    compiled(loop)(*batch, *whole, *numbers)
    loop(*batch, *python, *numbers)
    for at in range(n):
        compiled(loop)(*(each[at : at + 1] for each in batch), *one_by_one, *numbers)
    for fast, slow, single in zip(whole, python, one_by_one, strict=True):
        np.testing.assert_allclose(fast, slow, rtol=1e-4, atol=1e-5)
        assert fast.tobytes() == single.tobytes()


@pytest.mark.parametrize("loop", [pair_steps, point_steps])
def test_rows_are_asked_for_ahead_in_machine_code(loop: Any) -> None:
    import numba

    teach_prefetching()
    fresh = numba.njit(loop, fastmath=set(FASTMATH))  # what is kept on disk has no text
    user, others = codes(*range(3)), [codes(0, 1, 2), codes(1, 2, 0)][: 1 + (loop is pair_steps)]
    reals = [floats(1, 1, 1)] * len(others)
    fresh(user, *others, *reals, *parameters(), np.float32(0.1), np.float32(0))
    (text,) = fresh.inspect_llvm().values()
    assert text.count("call void @llvm.prefetch") >= 1 + len(others)


def test_asking_for_a_row_changes_nothing() -> None:
    import numba

    teach_prefetching()
    asking = numba.njit(lambda table, row: prefetch_row(table, row))
    table = np.arange(60, dtype=np.float32).reshape(3, 20)
    before = table.copy()
    for ask in (asking, prefetch_row):
        ask(table, np.uint32(2))
        np.testing.assert_array_equal(table, before)


@pytest.mark.parametrize("fast", [True, False])
def test_a_margin_without_end_is_no_overflow(fast: bool) -> None:
    for sign in (1.0, -1.0):
        users, items, bias = floats(1e3).reshape(1, 1), floats(1e3, 0).reshape(2, 1), floats(0, 0)
        loop = compiled(pair_steps) if fast else pair_steps
        batch = (codes(0), codes(0), codes(1), floats(1), floats(sign))
        loop(*batch, users, items, bias, np.float32(0.1), np.float32(0))
        # The loss is flat far up, and falls by 1 for each unit of margin far down.
        assert bias[0] == (0 if sign > 0 else np.float32(-0.1)) or abs(bias[0]) < 1e-26


def test_without_numba_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def another(user: Any) -> None: ...

    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'causal-ranker\[collaborative\]'"):
        compiled(another)


def test_numba_is_loaded_by_learning_and_by_nothing_before() -> None:
    loaded = loaded_by("from causal_ranker.uplift.collaborative.factory import make_pair_model")
    assert "causal_ranker.uplift.collaborative.kernels" in loaded
    assert "numba" not in loaded


def test_where_nothing_can_be_written_each_process_compiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import numba

    real, asked = numba.njit, []

    def njit(loop: Any, **settings: Any) -> Any:
        asked.append(settings.pop("cache", False))
        if asked[-1]:
            raise RuntimeError("cannot cache function: no locator available")
        return real(loop, **settings)

    def double(values: Any) -> None:
        values[0] *= 2

    monkeypatch.setattr(numba, "njit", njit)
    values = floats(2)
    compiled(double)(values)
    assert values[0] == 4
    assert asked == [True, False]
