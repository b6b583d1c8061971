"""Content of items as numbers: text, categories and dense vectors, joined and scaled.

An encoder learns from warm items which words and categories there are; items that come later are
read in the same columns. A row of zeros is an item of which nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.base import BaseEstimator

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError, EmptyError, NotFittedError, RowError, SchemaError

__all__ = ["Content", "ContentConfig", "ContentEncoder"]

Texts = Sequence[str | None]
Categories = Sequence[Sequence[str]]

#: A word that comes ten times tells little more than one that comes once.
_SUBLINEAR = True


class Content:
    """What is known of items without logs; any part may be left out.

    Parameters
    ----------
    text : sequence of str or None, optional
        One text per item; None or nothing but spaces is no text.
    categories : sequence of sequences of str, optional
        Each item's categories, none or several.
    dense : numpy.ndarray, optional
        Shape (n_items, n_numbers), such as embeddings of pictures; a row of NaN is an item without.

    Raises
    ------
    SchemaError
        If no part is given, the parts are not of one length, or a part has another form.
    """

    def __init__(
        self,
        *,
        text: Texts | None = None,
        categories: Categories | None = None,
        dense: NDArray[np.floating] | None = None,
    ) -> None:
        given: dict[str, Any] = {"text": text, "categories": categories, "dense": dense}
        self.parts = {name: part for name, part in given.items() if part is not None}
        lengths = {name: len(part) for name, part in self.parts.items()}
        if not lengths or len(set(lengths.values())) != 1:
            raise SchemaError(
                expected="text, categories or dense vectors, of one length",
                came=", ".join(f"{count} of {name}" for name, count in lengths.items()) or "none",
                do="Pass one entry per item in each part, in the same order.",
            )
        self.size = next(iter(lengths.values()))
        if text is not None:
            _check_entries(text, "text", lambda entry: entry is None or isinstance(entry, str))
        if categories is not None:
            _check_entries(categories, "categories", _is_categories)

    def of_items(self, positions: NDArray[np.int64]) -> Content:
        """Keep some of the items.

        Parameters
        ----------
        positions : numpy.ndarray
            Their places.

        Returns
        -------
        Content
            What is known of them.
        """
        kept: dict[str, Any] = {
            name: np.asarray(part)[positions] if name == "dense" else [part[at] for at in positions]
            for name, part in self.parts.items()
        }
        return Content(**kept)


class ContentConfig(FrozenConfig):
    """Settings of the encoder.

    Parameters
    ----------
    text_width : int
        Columns that text becomes: TF-IDF of words, then a truncated SVD.
    text_weight : float
        What the columns of text are multiplied by, where it tells less than the other parts.
    least_items : int
        A word or category counts from so many warm items on.
    without_content : {"raise", "zeros"}
        What becomes of an item of which nothing is known: an error, or a row of zeros, counted in
        `without_content_`.
    seed : int
        Decides the SVD's start.
    """

    text_width: int = Field(default=50, ge=1)
    text_weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    least_items: int = Field(default=2, ge=1)
    without_content: Literal["raise", "zeros"] = "raise"
    seed: int = Field(default=0, ge=0)


class ContentEncoder(BaseEstimator):  # type: ignore[misc]
    """Encode content in columns, each part scaled to a mean square of 1 per warm item.

    Text is scaled to ``text_weight`` squared.

    Parameters
    ----------
    config : ContentConfig, optional
        Settings.

    Attributes
    ----------
    widths_ : dict of str to int
        Columns of each part, in their order.
    categories_ : tuple of str
        Categories that have a column.
    unseen_categories_ : int
        Entries of the last `transform` that had none, and were left out.
    without_content_ : int
        Items of the last `transform` of which nothing was known.
    """

    def __init__(self, config: ContentConfig | None = None) -> None:
        self.config = config

    def fit(self, content: Content) -> Self:
        """Learn words, categories and scales from warm items.

        Parameters
        ----------
        content : Content
            Of warm items.

        Returns
        -------
        ContentEncoder
            Itself.

        Raises
        ------
        EmptyError
            If there is no item, or a part tells nothing of any.
        ConfigError
            If there are fewer words than columns for text.
        RowError
            If a dense vector holds infinity, or NaN beside numbers.
        """
        if not content.size:
            raise EmptyError(expected="at least one warm item", came="none", do="Pass some.")
        config = self.config or ContentConfig()
        self._parts = tuple(content.parts)
        self._scales: dict[str, float] = {}
        if "text" in content.parts:
            self._fit_text(content.parts["text"], config)
        if "categories" in content.parts:
            self._fit_categories(content.parts["categories"], config)
        if "dense" in content.parts:
            dense = _dense(content.parts["dense"])
            known = dense[~np.isnan(dense).all(axis=1)]
            if not len(known):
                raise _empty("dense")
            self._center, spread = known.mean(axis=0), known.std(axis=0)
            self._spread = np.where(spread > 0, spread, 1.0)
        self.widths_ = {}
        for name in self._parts:
            block = self._block(name, content.parts[name])
            square = float(np.square(block).sum(axis=1).mean())
            if square == 0:
                raise _empty(name)
            weight = config.text_weight if name == "text" else 1.0
            self._scales[name] = float(weight / np.sqrt(square))
            self.widths_[name] = block.shape[1]
        return self

    def transform(self, content: Content) -> NDArray[np.float32]:
        """Encode items.

        Parameters
        ----------
        content : Content
            With the parts that `fit` saw.

        Returns
        -------
        numpy.ndarray
            Shape (n_items, sum of `widths_`).

        Raises
        ------
        NotFittedError
            Before `fit`.
        SchemaError
            If a part is missing or new, or dense vectors have another width.
        RowError
            If nothing is known of an item and ``without_content`` is ``"raise"``.
        """
        self._check_fitted()
        if tuple(content.parts) != self._parts:
            raise SchemaError(
                expected=f"content with {' and '.join(self._parts)}, as in fit",
                came=" and ".join(content.parts),
                do="Pass the same parts; an entry of a part may be empty.",
            )
        blocks = [
            self._block(name, part) * self._scales[name] for name, part in content.parts.items()
        ]
        joined = np.concatenate(blocks, axis=1).astype(np.float32)
        bare = np.flatnonzero(~joined.any(axis=1))
        if bare.size and (self.config or ContentConfig()).without_content == "raise":
            raise RowError(
                expected="some content for every item, in words or categories of warm items",
                came=f"{bare.size} of {content.size} items with none, e.g. rows "
                f"{bare[:3].tolist()}",
                do="Leave them out, or ask for without_content='zeros'.",
            )
        self.without_content_ = int(bare.size)
        if "categories" in content.parts:
            column = set(self.categories_)
            self.unseen_categories_ = sum(
                name not in column for names in content.parts["categories"] for name in names
            )
        return joined

    def learned(self) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
        """Return what `fit` learned, for a file: plain values, and arrays.

        Returns
        -------
        dict
            Texts and numbers.
        dict of str to numpy.ndarray
            Arrays.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        self._check_fitted()
        told: dict[str, Any] = {
            "parts": list(self._parts),
            "scales": self._scales,
            "widths": self.widths_,
        }
        arrays: dict[str, NDArray[np.float64]] = {}
        if "text" in self._parts:
            told["words"] = self._words.get_feature_names_out().tolist()
            arrays |= {"rarity": self._words.idf_, "directions": self._directions}
        if "categories" in self._parts:
            told["categories"] = list(self.categories_)
        if "dense" in self._parts:
            arrays |= {"center": self._center, "spread": self._spread}
        return told, arrays

    @classmethod
    def from_learned(
        cls,
        told: Mapping[str, Any],
        arrays: Mapping[str, NDArray[np.float64]],
        *,
        config: ContentConfig,
    ) -> Self:
        """Make an encoder of what another learned.

        Parameters
        ----------
        told, arrays : mapping
            What `learned` returned.
        config : ContentConfig
            Its settings.

        Returns
        -------
        ContentEncoder
            One that encodes as the other does.
        """
        encoder = cls(config)
        encoder._parts = tuple(told["parts"])
        encoder._scales = {name: float(told["scales"][name]) for name in encoder._parts}
        encoder.widths_ = {name: int(told["widths"][name]) for name in encoder._parts}
        if "text" in encoder._parts:
            from sklearn.feature_extraction.text import TfidfVectorizer

            encoder._words = TfidfVectorizer(vocabulary=told["words"], sublinear_tf=_SUBLINEAR)
            encoder._words.idf_ = arrays["rarity"]
            encoder._directions = arrays["directions"]
        if "categories" in encoder._parts:
            encoder.categories_ = tuple(told["categories"])
        if "dense" in encoder._parts:
            encoder._center, encoder._spread = arrays["center"], arrays["spread"]
        return encoder

    def _check_fitted(self) -> None:
        if not hasattr(self, "widths_"):
            raise NotFittedError(
                expected="a fitted ContentEncoder", came="one before fit", do="Call fit first."
            )

    def _fit_text(self, text: Texts, config: ContentConfig) -> None:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._words = TfidfVectorizer(min_df=config.least_items, sublinear_tf=_SUBLINEAR)
        try:
            counted = self._words.fit_transform([entry or "" for entry in text])
        except ValueError as error:
            raise _empty("text") from error
        if min(counted.shape) <= config.text_width:
            raise ConfigError(
                expected=f"fewer columns for text than its {counted.shape[1]} words in "
                f"{counted.shape[0]} items",
                came=f"text_width = {config.text_width}",
                do="Take a smaller text_width, or a smaller least_items.",
            )
        svd = TruncatedSVD(config.text_width, random_state=config.seed).fit(counted)
        self._directions = np.asarray(svd.components_, dtype=np.float64)

    def _fit_categories(self, categories: Categories, config: ContentConfig) -> None:
        names, counts = np.unique(
            [name for entry in categories for name in set(entry)], return_counts=True
        )
        self.categories_ = tuple(map(str, names[counts >= config.least_items]))
        if not self.categories_:
            raise _empty("categories")

    def _block(self, name: str, part: Any) -> NDArray[np.float64]:
        if name == "text":
            counted = self._words.transform([entry or "" for entry in part])
            return np.asarray(counted @ self._directions.T, dtype=np.float64)
        if name == "categories":
            column = {category: at for at, category in enumerate(self.categories_)}
            block = np.zeros((len(part), len(column)))
            pairs = [
                (row, column[category])
                for row, entry in enumerate(part)
                for category in entry
                if category in column
            ]
            if pairs:
                block[tuple(np.array(pairs).T)] = 1.0
            return block
        dense = _dense(part)
        if dense.shape[1] != len(self._center):
            raise SchemaError(
                expected=f"dense vectors of width {len(self._center)}, as in fit",
                came=f"width {dense.shape[1]}",
                do="Make them as those of the warm items.",
            )
        # What is missing is the mean of the warm items, which is 0 here.
        return np.asarray(np.nan_to_num((dense - self._center) / self._spread, nan=0.0))


def _dense(part: Any) -> NDArray[np.float64]:
    dense = np.asarray(part)
    if dense.ndim != 2 or dense.dtype.kind not in "fiu" or not dense.shape[1]:
        raise SchemaError(
            expected="dense vectors as numbers of shape (n_items, n_numbers)",
            came=f"shape {dense.shape} of type {dense.dtype}",
            do="Pass one vector per item; of NaN where an item has none.",
        )
    dense = dense.astype(np.float64)
    absent = np.isnan(dense).all(axis=1)
    bad = np.flatnonzero(~np.isfinite(dense).all(axis=1) & ~absent)
    if bad.size:
        raise RowError(
            expected="dense vectors of finite numbers, or of NaN only",
            came=f"{bad.size} of {len(dense)} rows with others, e.g. rows {bad[:3].tolist()}",
            do="Make them whole, or NaN throughout.",
        )
    return dense


def _is_categories(entry: object) -> bool:
    return (
        not isinstance(entry, str)
        and isinstance(entry, Sequence)
        and all(isinstance(name, str) for name in entry)
    )


def _check_entries(part: Sequence[Any], name: str, fits: Any) -> None:
    bad = [row for row, entry in enumerate(part) if not fits(entry)]
    if bad:
        wanted = "a str or None" if name == "text" else "a list of str, which may be empty,"
        raise RowError(
            expected=f"{wanted} for every item in '{name}'",
            came=f"{len(bad)} of {len(part)} of another type, e.g. in row {bad[0]}: "
            f"{part[bad[0]]!r}",
            do="Mend these entries.",
        )


def _empty(name: str) -> EmptyError:
    return EmptyError(
        expected=f"something in '{name}' of warm items",
        came="nothing that two items share" if name != "dense" else "nothing that varies",
        do=f"Leave '{name}' out, or ask for least_items=1.",
    )
