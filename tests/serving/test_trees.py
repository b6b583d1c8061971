"""Texts of LightGBM models: whatever it writes passes, and nothing that it would trip over."""

from __future__ import annotations

import re
from typing import Any

import lightgbm
import numpy as np
import pytest

from causal_ranker.errors import BundleError
from causal_ranker.serving.trees import check_trees

FEATURES = 5
ROWS = 600


def trained(trees: int = 3, **settings: Any) -> str:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(ROWS, FEATURES))
    X[:, 2] = rng.integers(0, 40, ROWS)
    X[rng.random(ROWS) < 0.1, 1] = np.nan
    y = X[:, 0] + np.sin(X[:, 2]) + rng.normal(size=ROWS)
    labels = {"binary": y > 0, "poisson": np.exp(y / 3), "lambdarank": y > 0}
    objective = settings.get("objective", "regression")
    rows = lightgbm.Dataset(
        X,
        np.asarray(labels.get(objective, y), dtype=np.float64),
        feature_name=[f"f={number}" for number in range(FEATURES)],
        categorical_feature=[] if settings.get("linear_tree") else [2],
        group=[ROWS // 6] * 6 if objective == "lambdarank" else None,
    )
    wanted = {"num_leaves": 6, "min_data_in_leaf": 5, "max_cat_to_onehot": 4, "cat_smooth": 1}
    quiet = {"verbosity": -1, "num_threads": 1, "objective": "regression", "deterministic": True}
    return str(lightgbm.train({**quiet, **wanted, **settings}, rows, trees).model_to_string())


@pytest.fixture(scope="module")
def text() -> str:
    """A model with splits on numbers and on sets of categories."""
    made = trained()
    assert re.search(r"^num_cat=[1-9]", made, re.MULTILINE)
    return made


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"linear_tree": True},
        {"objective": "binary"},
        {"objective": "poisson"},
        {"objective": "lambdarank"},
        {"objective": "quantile"},
        {"min_data_in_leaf": ROWS},  # trees of one leaf
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
        {"boosting": "dart"},
        {"monotone_constraints": [1, 0, 0, 0, 0]},
        {"zero_as_missing": True},
        {"num_leaves": 2},
    ],
)
def test_what_the_library_writes_passes(settings: dict[str, Any]) -> None:
    made = trained(**settings)
    again = lightgbm.Booster(model_str=made).model_to_string()
    for each in (made, again, made[: made.index("pandas_categorical")]):
        check_trees(each, n_features=FEATURES, name="uplift.txt")


def put(text: str, key: str, place: int, value: object, *, tree: int = 1) -> str:
    """Write another number into a list of a tree, and the size that the tree has then."""
    blocks = re.split(r"(?m)^(?=Tree=\d+$)", text)
    last, tail = blocks[-1].split("end of trees", 1)
    blocks[-1] = last
    line = re.search(rf"(?m)^{key}=(.*)$", blocks[tree + 1])
    assert line is not None
    words = line[1].split(" ")
    words[place] = str(value)
    start, end = line.span(1)
    blocks[tree + 1] = blocks[tree + 1][:start] + " ".join(words) + blocks[tree + 1][end:]
    sizes = " ".join(str(len(block)) for block in blocks[1:])
    blocks[0] = re.sub(r"(?m)^tree_sizes=.*$", f"tree_sizes={sizes}", blocks[0])
    return "".join(blocks) + "end of trees" + tail


def test_the_editor_of_these_tests_keeps_a_text_as_it_is(text: str) -> None:
    first = re.search(r"(?m)^num_leaves=(\d+)$", text)
    assert first is not None
    assert put(text, "num_leaves", 0, first[1], tree=0) == text


@pytest.mark.parametrize(
    ("key", "place", "value", "told"),
    [
        ("split_feature", 0, FEATURES, "a split on a feature that does not exist"),
        ("split_feature", -1, -1, "a split on a feature that does not exist"),
        ("split_feature", 0, 2**32, "a split on a feature that does not exist"),
        ("split_feature", 0, "1.5", "split_feature that are no integers"),
        ("split_feature", 0, "", "4 split_feature for 5"),
        ("left_child", -1, 0, "children that make no tree"),  # a circle
        ("left_child", 0, 0, "children that make no tree"),
        ("right_child", 0, 5, "children that make no tree"),
        ("right_child", 0, -7, "children that make no tree"),
        ("right_child", 0, -(2**31), "children that make no tree"),
        ("threshold", 0, "nan", "a threshold that is no number"),
        ("threshold", 0, "1e", "threshold that are no numbers"),
        ("decision_type", 0, 16, "an unknown kind of split"),
        ("decision_type", 0, -1, "an unknown kind of split"),
        ("leaf_value", 0, "inf", "an infinite leaf"),
        ("leaf_value", 0, "0 0", "7 leaf_value for 6"),
        ("leaf_count", 0, "", "5 leaf_count for 6"),
        ("internal_value", 0, "0 0", "6 internal_value for 5"),
        ("num_leaves", 0, 7, "6 leaf_value for 7"),
        ("num_leaves", 0, 5, "6 leaf_value for 5"),
        ("num_leaves", 0, 0, "0 leaves"),
        ("num_leaves", 0, -1, "-1 leaves"),
        ("num_cat", 0, 0, "a split on categories that are not listed"),
        ("num_cat", 0, 1000, "cat_boundaries for 1001"),
        ("cat_boundaries", -1, 99, "sets of categories that do not follow"),
        ("cat_boundaries", 0, 1, "sets of categories that do not follow"),
        ("cat_threshold", 0, 2**32, "a set of categories out of range"),
        ("shrinkage", 0, "1\nshrinkage=1", "shrinkage twice"),
        ("shrinkage", 0, "1\nnothing", "a line without a value"),
        ("shrinkage", 0, "1\n" + "\n".join(f"k{n}=1" for n in range(9)), "lines"),
        ("shrinkage", 0, "1\n\nTree=7", "more or less than one tree"),
    ],
)
def test_a_tree_that_contradicts_itself(
    text: str, key: str, place: int, value: object, told: str
) -> None:
    with pytest.raises(BundleError, match=r"a LightGBM model of 5 features in uplift\.txt") as got:
        check_trees(put(text, key, place, value), n_features=FEATURES, name="uplift.txt")
    assert told in str(got.value)
    assert "in tree 1." in str(got.value)
    assert "\n" not in str(got.value)


def test_sets_of_categories_are_within_what_is_listed(text: str) -> None:
    tree = re.split(r"(?m)^Tree=\d+$", text)[2]
    kinds = re.search(r"(?m)^decision_type=(.*)$", tree)
    assert kinds is not None
    place = [int(kind) & 1 for kind in kinds[1].split()].index(1)
    for value, told in ((50, "categories that are not listed"), ("0.5", "a half set")):
        with pytest.raises(BundleError, match=told):
            check_trees(put(text, "threshold", place, value), n_features=FEATURES, name="m")


@pytest.mark.parametrize(
    ("key", "place", "value", "told"),
    [
        ("leaf_features", 0, FEATURES, "a leaf that reads a feature that does not exist"),
        ("num_features", 0, FEATURES + 1, "a leaf of more features than there are"),
        ("num_features", 0, 0, "leaf_features for"),
        ("leaf_coeff", 0, "inf", "an infinite weight"),
        ("leaf_const", 0, "nan", "an infinite leaf"),
    ],
)
def test_leaves_that_are_lines(key: str, place: int, value: object, told: str) -> None:
    made = put(trained(linear_tree=True), key, place, value)
    with pytest.raises(BundleError, match=told):
        check_trees(made, n_features=FEATURES, name="uplift.txt")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("num_class=1", "num_class=2", "num_class '2'"),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=2", "num_tree_per_iteration '2'"),
        ("max_feature_idx=4", "max_feature_idx=3", "max_feature_idx '3'"),
        ("objective=regression", "objective=multiclass num_class:3", "several classes"),
        ("tree_sizes=", "tree_sizes=9", "more or less than one tree"),
        ("tree_sizes=", "no_sizes=", "no 'tree_sizes'"),
        ("\nTree=1\n", "\nTree=2\n", "the beginning of another place"),
        ("shrinkage=", "shrinkage\0=", "a zero byte"),
        ("\nnum_cat=", "\r\nnum_cat=", "a carriage return"),
        ("\nend of parameters", "", "what stands below the trees"),
        ("[boosting: gbdt]", "[boosting", "what stands below the trees"),
        ("end of trees", "end of tree", "what stands below the trees"),
    ],
)
def test_head_and_tail(text: str, before: str, after: str, told: str) -> None:
    assert before in text
    with pytest.raises(BundleError) as got:
        check_trees(text.replace(before, after), n_features=FEATURES, name="uplift.txt")
    assert told in str(got.value)


def test_a_text_that_breaks_off_anywhere(text: str) -> None:
    rng = np.random.default_rng(0)
    end = text.index("\npandas_categorical")  # where LightGBM's own part ends
    for place in rng.integers(0, end - len("\nend of parameters\n"), 300):
        with pytest.raises(BundleError):
            check_trees(text[:place], n_features=FEATURES, name="uplift.txt")
