"""Tables in, the same matrix whatever they were made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from causal_ranker.errors import ConfigError, EmptyError, SchemaError
from causal_ranker.uplift.encoding import FeatureEncoder, in_order

DEVICE = ["tv", None, "web", "tv", "phone"]
FRAME = pd.DataFrame(
    {
        "age": [31.5, np.nan, 20, 44, 18],
        "visits": pd.array([1, None, 3, 4, 5], dtype="Int64"),
        "device": DEVICE,
        "member": [True, False, True, True, False],
    }
)
NAN = np.nan
CODES = [[31.5, 1, 1, 1], [NAN, NAN, NAN, 0], [20, 3, 2, 1], [44, 4, 1, 1], [18, 5, 0, 0]]


def encoder(**settings: Any) -> FeatureEncoder:
    return FeatureEncoder(**{"categorical": None, "unseen": "raise", **settings})


TABLES = {
    "pandas": FRAME,
    "category": FRAME.astype({"device": "category", "member": "category"}),
    "unused category": FRAME.assign(
        device=pd.Categorical(DEVICE, categories=["web", "radio", "tv", "phone"])
    ),
    "object": FRAME.astype({"device": object, "member": object, "age": "Float64"}),
    "nullable": FRAME.astype({"member": "boolean", "device": "string"}),
    "polars": pl.from_pandas(FRAME),
    "polars categorical": pl.from_pandas(FRAME).with_columns(pl.col("device").cast(pl.Categorical)),
    "polars enum": pl.from_pandas(FRAME).with_columns(
        pl.col("device").cast(pl.Enum(["web", "radio", "tv", "phone"]))
    ),
    "arrow": pa.Table.from_pandas(FRAME),
    "moved": FRAME[["member", "device", "age", "visits"]],
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_of_equal_content_are_equal(kind: str) -> None:
    table = TABLES[kind]
    fitted = encoder().fit(FRAME)
    found = fitted.transform(table)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array(CODES, dtype=np.float32))
    if kind != "moved":
        again = encoder().fit(table)
        assert again.names == ("age", "visits", "device", "member")
        assert again.categorical == ("device", "member")
        assert list(again.levels["device"]) == ["phone", "tv", "web"]
        np.testing.assert_array_equal(again.transform(table), found)


def test_a_table_is_left_as_it_is() -> None:
    copy = FRAME.copy(deep=True)
    encoder(categorical=["visits"]).fit(FRAME).transform(FRAME)
    pd.testing.assert_frame_equal(FRAME, copy)


def test_arrays_have_positions_for_names() -> None:
    x = np.array([[3.0, 7], [1, 5], [2, 7]])
    plain = encoder().fit(x)
    assert (plain.names, plain.named, plain.categorical) == (("x0", "x1"), False, ())
    np.testing.assert_array_equal(plain.transform(x), x.astype(np.float32))
    np.testing.assert_array_equal(plain.transform(x.tolist()), x.astype(np.float32))
    coded = encoder(categorical=[1]).fit(x)
    assert coded.categorical == ("x1",)
    np.testing.assert_array_equal(coded.transform(x)[:, 1], [1, 0, 1])
    mixed = encoder().fit(np.array([[1, "a"], [2.5, "b"]], dtype=object))
    assert mixed.categorical == ("x1",)


def test_numbers_may_be_categories() -> None:
    found = encoder(categorical=["visits"]).fit(FRAME)
    assert list(found.levels["visits"]) == [1, 3, 4, 5]
    as_floats = FRAME.astype({"visits": float})
    np.testing.assert_array_equal(found.transform(as_floats)[:, 1], [0, NAN, 1, 2, 3])


def test_a_new_category_is_refused_by_name_or_read_as_missing() -> None:
    other = FRAME.assign(device=["radio", "tv", "radio", None, "fax"])
    with pytest.raises(SchemaError, match=r"'fax', 'radio' in column 'device' \(3 of 5 rows\)"):
        encoder().fit(FRAME).transform(other)
    lenient = encoder(unseen="missing").fit(FRAME)
    with pytest.warns(UserWarning, match=r"'fax', 'radio' in column 'device' \(3 of 5 rows\)"):
        found = lenient.transform(other)
    np.testing.assert_array_equal(found[:, 2], [NAN, 1, NAN, NAN, NAN])


def test_a_declared_category_without_a_row_of_training_is_new() -> None:
    declared = pd.DataFrame(
        {"device": pd.Categorical(["tv", "web"], categories=["tv", "web", "x"])}
    )
    fitted = encoder().fit(declared)
    fitted.transform(declared)
    with pytest.raises(SchemaError, match="'x' in column 'device'"):
        fitted.transform(declared.assign(device="x"))


def test_columns_must_be_those_of_training() -> None:
    fitted = encoder().fit(FRAME)
    with pytest.raises(SchemaError, match=r"without \['age'\] and with \['years'\] besides"):
        fitted.transform(FRAME.rename(columns={"age": "years"}))
    with pytest.raises(SchemaError, match=r"with \['more'\] besides"):
        fitted.transform(FRAME.assign(more=1))
    with pytest.raises(SchemaError, match="numbers in column 'age', as in training"):
        fitted.transform(FRAME.assign(age="old"))
    with pytest.warns(UserWarning, match="had names and these have none"):
        fitted.transform(FRAME.set_axis(range(4), axis=1))
    with (
        pytest.warns(UserWarning, match="had none and these have names"),
        pytest.raises(SchemaError, match="3 columns of training; got 4"),
    ):
        encoder().fit(np.zeros((3, 3))).transform(FRAME)


def test_a_column_of_numbers_may_be_missing_in_every_row_asked_about() -> None:
    row = FRAME.head(1).assign(age=None)
    assert np.isnan(encoder().fit(FRAME).transform(row)[0, 0])


WRONG = {
    "moments": (FRAME.assign(at=pd.Timestamp("2026-01-01")), SchemaError, "column 'at'"),
    "lists": (FRAME.assign(device=[[1]] * 5), SchemaError, "column 'device'"),
    "complex": (FRAME.assign(age=1j), SchemaError, "complex128 in column 'age'"),
    "twice": (FRAME[["age", "age"]], SchemaError, r"\['age'\] more than once"),
    "no rows": (FRAME.head(0), EmptyError, r"shape \(0, 4\)"),
    "half named": (FRAME.rename(columns={"age": 7}), SchemaError, "3 strings among 4"),
    "one dimension": (np.zeros(4), SchemaError, r"shape \(4,\)"),
    "a lazy frame": (pl.from_pandas(FRAME).lazy(), SchemaError, "got LazyFrame. Collect"),
    "text": ("table.csv", SchemaError, "got str"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_table_of_features_is_refused(kind: str) -> None:
    table, error, message = WRONG[kind]
    with pytest.raises(error, match=message):
        encoder().fit(table)


@pytest.mark.parametrize("column", ["price", 4, -1, True, 1.0])
def test_a_categorical_column_must_be_there(column: Any) -> None:
    with pytest.raises(ConfigError, match="The columns are age, visits, device, member"):
        encoder(categorical=[column]).fit(FRAME)


def test_values_of_all_kinds_have_an_order() -> None:
    assert in_order([3, 1.5, 2]) == [1.5, 2, 3]
    assert in_order(["b", 2, "a", 1]) == [1, 2, "a", "b"]
