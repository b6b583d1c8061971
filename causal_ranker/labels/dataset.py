"""The value that labels hand to features and models: rows with arm, outcome and weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

import ibis
import pandas as pd

from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError
from causal_ranker.labels.kinds import LabelKind
from causal_ranker.labels.sampling import IN_SAMPLE, mark_sample, weigh_zeros
from causal_ranker.labels.thinning import thin_rows
from causal_ranker.logs.sources import reading

__all__ = ["UpliftDataset"]


@dataclass(frozen=True)
class UpliftDataset:
    """Rows on which an uplift model may be trained, one per (user, item, t0), lazily.

    The fold key is ``user_id``: all rows of a user belong to one fold, by a salted hash of it. The
    propensity is cross-fitted by ``assignment_unit`` as well, where there is one.

    Parameters
    ----------
    table : ibis.Table
        Columns ``user_id``, ``item_id``, ``t0``, ``horizon_end``, ``treatment`` (T, int8),
        ``outcome`` (Y, int8: a play on any surface in ``[t0, horizon_end)``), ``label_kind``,
        ``sampling_weight``, ``censoring_weight``, ``analysis_weight`` (their product), and those
        of ``surface``, ``propensity``, ``base_score``, ``base_rank``, ``assignment_unit``,
        ``hour``, ``device`` and ``session_so_far`` that the candidates had.
    censored : ibis.Table
        The rows left out because their horizon ends after the log does.
    zero_rate : float, default 1
        The share of rows with outcome 0 that were kept.
    weighed : bool, default False
        Whether rows were kept because a play determined them (``censoring="weight"``).
    sampled_controls : bool, default False
        Whether the candidates carried a ``sampling_weight``: not every one of them is here.
    exposures : ibis.Table, optional
        ``user_id``, ``item_id`` and ``t0`` of all impressions, of which a report says how many come
        later inside a row's horizon. They stay whole when rows are thinned or sampled.
    """

    table: ibis.Table
    censored: ibis.Table
    zero_rate: float = 1.0
    weighed: bool = False
    sampled_controls: bool = False
    exposures: ibis.Table | None = None

    @cached_property
    def censored_rows(self) -> int:
        """How many rows were left out as censored."""
        with reading("candidates"):
            return int(self.censored.count().to_pyarrow().as_py())

    def between(self, start: datetime, end: datetime) -> UpliftDataset:
        """Keep the rows with t0 in ``[start, end)``.

        Parameters
        ----------
        start, end : datetime
            Times with a time zone.

        Returns
        -------
        UpliftDataset
            The rows in between, and the censored ones in between.

        Raises
        ------
        ConfigError
            If a time has no time zone, or the end is not after the start.
        """
        if start.tzinfo is None or end.tzinfo is None or not start < end:
            raise ConfigError(
                expected="a start before an end, both with a time zone",
                came=f"{start!r} and {end!r}",
                do="Use e.g. datetime(2017, 1, 2, tzinfo=timezone.utc).",
            )
        low, high = (ibis.literal(time.astimezone(UTC)) for time in (start, end))

        def inside(table: ibis.Table) -> ibis.Table:
            return table.filter(table[C.T0] >= low, table[C.T0] < high)

        return replace(self, table=inside(self.table), censored=inside(self.censored))

    def thin(self) -> UpliftDataset:
        """Keep rows of each user and item whose horizons do not overlap.

        Returns
        -------
        UpliftDataset
            The rows that stay (see `causal_ranker.labels.thinning.thin_rows`).

        Raises
        ------
        ConfigError
            If the rows were sampled or weighed for censoring before: outcomes or arms would decide
            who stays.
        """
        if self.zero_rate < 1:
            raise ConfigError(
                expected="rows that were not sampled yet",
                came=f"rows sampled at zero_rate={self.zero_rate}",
                do="Thin first, then sample.",
            )
        if self.weighed:
            raise ConfigError(
                expected="rows that are there whatever their outcome",
                came='rows of censoring="weight", some of them kept because a play was seen',
                do='Thin rows of censoring="drop".',
            )
        if self.sampled_controls:
            raise ConfigError(
                expected="every candidate of each request",
                came="sampled controls: whether an earlier row is there to thin a later one out "
                "would depend on its arm",
                do="Thin rows of a whole candidate log, or space the requests out first.",
            )
        return replace(self, table=thin_rows(self.table))

    def sample_training(self, zero_rate: float, seed: int) -> UpliftDataset:
        """Keep every row with outcome 1 and a known share of the rows with outcome 0.

        For training rows only: evaluation scores every candidate. The choice is a salted hash
        of (user, item, t0), so it is the same on every run.

        Parameters
        ----------
        zero_rate : float
            The share of rows with outcome 0 to keep, in (0, 1].
        seed : int
            The run's seed.

        Returns
        -------
        UpliftDataset
            The sampled rows; where the outcome is 0, ``sampling_weight`` is what it was times
            1 / zero_rate.

        Raises
        ------
        ConfigError
            If the rate is not in (0, 1], or the rows were sampled before.
        """
        if not 0 < zero_rate <= 1:
            raise ConfigError(
                expected="zero_rate in (0, 1]",
                came=repr(zero_rate),
                do="Give the share of rows with outcome 0 to keep.",
            )
        if self.zero_rate < 1:
            raise ConfigError(
                expected="rows that were not sampled yet",
                came=f"rows sampled at zero_rate={self.zero_rate}",
                do="Sample once, from the full data set: the rates would not multiply.",
            )
        if zero_rate == 1:
            return self
        marked = mark_sample(self.table, share=zero_rate, salt=f"zeros-{seed}")
        kept = marked.filter((marked[C.OUTCOME] == 1) | marked[IN_SAMPLE]).drop(IN_SAMPLE)
        return replace(self, table=weigh_zeros(kept, zero_rate), zero_rate=zero_rate)

    def kinds(self) -> pd.DataFrame:
        """Count the rows by kind and arm; censored ones are counted too.

        Returns
        -------
        pandas.DataFrame
            Columns ``label_kind``, ``treatment`` and ``rows``, sorted by the first two.
        """
        kept = self.table.group_by(C.LABEL_KIND, C.TREATMENT).aggregate(rows=self.table.count())
        lost = self.censored.group_by(C.TREATMENT).aggregate(rows=self.censored.count())
        with reading("labels"):
            counts = [
                kept.to_pandas(),
                lost.to_pandas().assign(**{C.LABEL_KIND: LabelKind.CENSORED.value}),
            ]
        both: pd.DataFrame = pd.concat(counts)[[C.LABEL_KIND, C.TREATMENT, "rows"]]
        return both.sort_values([C.LABEL_KIND, C.TREATMENT], ignore_index=True)

    def to_pandas(self) -> pd.DataFrame:
        """Read the rows into memory, in the order of (t0, user, item).

        Returns
        -------
        pandas.DataFrame
            The columns of `table`, one row per row.
        """
        ordered = self.table.order_by(C.T0, C.USER, C.ITEM)
        with reading("labels"):
            frame: pd.DataFrame = ordered.to_pandas()
        return frame
