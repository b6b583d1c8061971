from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from causal_ranker.coldstart.content import Content, ContentConfig, ContentEncoder
from causal_ranker.coldstart.storage import load_encoder, save_encoder
from causal_ranker.errors import (
    BundleError,
    ConfigError,
    EmptyError,
    NotFittedError,
    RowError,
    SchemaError,
)

TEXTS = ["red fox", "red dog", "blue fox", "blue dog runs", "red fox runs", "quiet"]
NAMES = [["a", "b"], ["a"], ["b", "b"], [], ["c", "a"], ["b"]]
DENSE = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0], [np.nan, np.nan], [4.0, 5.0], [5.0, 5.0]])
SETTINGS = ContentConfig(text_width=2)


def encoder(**settings: object) -> ContentEncoder:
    return ContentEncoder(SETTINGS.model_copy(update=settings))


def test_categories_are_many_hot_and_each_part_weighs_as_much() -> None:
    content = Content(text=TEXTS, categories=NAMES, dense=DENSE)
    fitted = encoder().fit(content)
    rows = fitted.transform(content)
    assert fitted.widths_ == {"text": 2, "categories": 2, "dense": 2}
    assert fitted.categories_ == ("a", "b")  # "c" is one item's only
    edges = np.cumsum([0, *fitted.widths_.values()])
    for start, stop in pairwise(edges):
        assert np.square(rows[:, start:stop]).sum(axis=1).mean() == pytest.approx(1, abs=1e-5)
    hot = [[1, 1], [1, 0], [0, 1], [0, 0], [1, 0], [0, 1]]
    np.testing.assert_allclose(rows[:, 2:4], np.array(hot) * rows[0, 2], atol=1e-6)
    assert fitted.unseen_categories_ == 1


def test_dense_vectors_are_standardised_and_an_absent_one_is_the_mean() -> None:
    fitted = encoder(without_content="zeros").fit(Content(dense=DENSE))
    rows = fitted.transform(Content(dense=DENSE))
    known = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    wanted = (known - 3) / known.std()
    present = [0, 1, 2, 4, 5]
    np.testing.assert_allclose(rows[present, 0] / rows[5, 0] * wanted[4], wanted, atol=1e-5)
    assert not rows[:, 1].any()  # it never varies
    assert not rows[3].any()
    assert fitted.without_content_ == 2  # the absent one, and the one that is the mean itself


def test_text_is_tf_idf_and_a_truncated_svd() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    fitted = encoder(without_content="zeros").fit(Content(text=TEXTS))
    rows = fitted.transform(Content(text=TEXTS))
    counted = TfidfVectorizer(min_df=2, sublinear_tf=True).fit_transform(TEXTS).toarray()
    left, values, _ = np.linalg.svd(counted, full_matrices=False)
    wanted = left[:, :2] * values[:2]
    wanted /= np.sqrt(np.square(wanted).sum(axis=1).mean())
    np.testing.assert_allclose(rows @ rows.T, wanted @ wanted.T, atol=1e-4)
    assert fitted.without_content_ == 1


def test_the_weight_of_text_is_kept() -> None:
    content = Content(text=TEXTS, categories=NAMES)
    whole, less = (encoder(text_weight=weight).fit(content) for weight in (1.0, 0.25))
    np.testing.assert_allclose(
        less.transform(content), whole.transform(content) * [0.25, 0.25, 1, 1], atol=1e-6
    )


def test_a_saved_encoder_encodes_alike(tmp_path: Path) -> None:
    warm = Content(text=TEXTS, categories=NAMES, dense=DENSE)
    new = Content(
        text=["red red dog", None], categories=[["b", "z"], []], dense=np.array([[9, 1], [2, 5.0]])
    )
    fitted = encoder(text_weight=0.3).fit(warm)
    save_encoder(fitted, tmp_path / "new")
    back = load_encoder(tmp_path / "new")
    np.testing.assert_array_equal(back.transform(new), fitted.transform(new))
    assert back.config == fitted.config
    assert list(back.widths_.items()) == list(fitted.widths_.items())
    assert back.categories_ == fitted.categories_
    assert back.unseen_categories_ == 1
    with pytest.raises(NotFittedError):
        save_encoder(encoder(), tmp_path / "other")
    told = json.loads((tmp_path / "new" / "encoder.json").read_text("utf-8"))
    told["learned"]["scales"] = None
    (tmp_path / "new" / "encoder.json").write_text(json.dumps(told), "utf-8")
    with pytest.raises(BundleError, match="a cold-start encoder in"):
        load_encoder(tmp_path / "new")


def test_some_of_the_items() -> None:
    some = Content(text=TEXTS, categories=NAMES, dense=DENSE).of_items(np.array([4, 1]))
    assert some.size == 2
    assert some.parts["text"] == ["red fox runs", "red dog"]
    assert some.parts["categories"] == [["c", "a"], ["a"]]
    np.testing.assert_array_equal(some.parts["dense"], DENSE[[4, 1]])


def test_items_of_which_nothing_is_known_are_refused_or_counted() -> None:
    warm = Content(text=TEXTS, categories=NAMES)
    new = Content(text=["red", None, "unheard"], categories=[[], [], ["z"]])
    with pytest.raises(RowError, match=r"2 of 3 items with none, e.g. rows \[1, 2\]"):
        encoder().fit(warm).transform(new)
    fitted = encoder(without_content="zeros").fit(warm)
    rows = fitted.transform(new)
    assert (fitted.without_content_, fitted.unseen_categories_) == (2, 1)
    assert rows[0].any()
    assert not rows[1:].any()


def test_an_item_is_encoded_by_itself_and_equal_seeds_are_equal() -> None:
    content = Content(text=TEXTS, categories=NAMES, dense=DENSE)
    fitted = encoder().fit(content)
    one = Content(text=TEXTS[2:3], categories=NAMES[2:3], dense=DENSE[2:3])
    np.testing.assert_allclose(fitted.transform(one)[0], fitted.transform(content)[2], atol=1e-6)
    np.testing.assert_array_equal(
        encoder().fit(content).transform(content), fitted.transform(content)
    )


def test_bad_content_is_told() -> None:
    with pytest.raises(SchemaError, match="2 of text, 1 of categories"):
        Content(text=["a", "b"], categories=[["a"]])
    with pytest.raises(SchemaError, match="got none"):
        Content()
    with pytest.raises(RowError, match="1 of 2 of another type"):
        Content(text=["a", 3])  # type: ignore[list-item]
    with pytest.raises(RowError, match="of another type"):
        Content(categories=["action"])
    fitted = encoder().fit(Content(text=TEXTS, dense=DENSE))
    with pytest.raises(SchemaError, match="text and dense, as in fit"):
        fitted.transform(Content(text=TEXTS))
    with pytest.raises(SchemaError, match="dense vectors of width 2"):
        fitted.transform(Content(text=TEXTS, dense=np.ones((6, 3))))
    half = DENSE.copy()
    half[0, 0] = np.nan
    with pytest.raises(RowError, match=r"1 of 6 rows with others, e.g. rows \[0\]"):
        encoder().fit(Content(dense=half))
    with pytest.raises(SchemaError, match="numbers of shape"):
        encoder().fit(Content(dense=np.array([["a"]])))
    with pytest.raises(NotFittedError):
        encoder().transform(Content(text=TEXTS))
    with pytest.raises(EmptyError, match="at least one warm item"):
        encoder().fit(Content(text=[]))
    with pytest.raises(EmptyError, match="'text' of warm items"):
        encoder().fit(Content(text=["one", "two", "three"]))
    with pytest.raises(EmptyError, match="'categories'"):
        encoder().fit(Content(categories=[["a"], ["b"]]))
    with pytest.raises(EmptyError, match="'dense'"):
        encoder().fit(Content(dense=np.ones((3, 2))))
    with pytest.raises(ConfigError, match="its 5 words"):
        encoder(text_width=5).fit(Content(text=TEXTS))
