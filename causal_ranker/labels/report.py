"""What the labels are made of: counts by kind, arm, day and surface, and what looks wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import ibis
import pandas as pd

from causal_ranker.columns import Columns as C
from causal_ranker.labels.dataset import UpliftDataset
from causal_ranker.labels.kinds import LabelKind
from causal_ranker.labels.thinning import LATER_EXPOSURE, mark_later_exposures
from causal_ranker.logs.hours import hours_begun
from causal_ranker.logs.sources import reading

__all__ = ["InclusionChances", "LabelReport", "describe_labels"]

#: Bounds beyond which a person should look; each is named in the warning it leads to.
_MANY_ORGANIC: Final = 0.95
_MANY_CENSORED: Final = 0.25
_SMALL_ARM: Final = 0.01
_OFF_PROPENSITIES: Final = 0.1
#: Standard deviations of the number shown that are no chance.
_BEYOND_CHANCE: Final = 3.0
#: Fewer outcomes than this say little about shares, and fewer a day little about a silent day.
_ENOUGH: Final = 30
_ENOUGH_A_DAY: Final = 10
_NAMED_DAYS: Final = 3
_DAY: Final = "day"
_AGAIN: Final = "shown_again"
_FIRST_DAY: Final = date(1970, 1, 1)


@dataclass(frozen=True)
class InclusionChances:
    """Logged propensities against what was shown, by sampling weight, over labelled rows with one.

    The chances of a request's candidates to be in the slate add up to the mean number that is
    shown, whatever the policy.

    Attributes
    ----------
    requests : int
        Pairs of user and t0.
    expected : float
        Sum of the propensities.
    shown : float
        Number of candidates shown.
    noise : float
        Standard deviation of `shown` about `expected` if candidates were shown independently.
    """

    requests: int
    expected: float
    shown: float
    noise: float


@dataclass(frozen=True)
class LabelReport:
    """Counts of labelled rows, and warnings.

    Shares go by sampling weights: they describe all candidates. Censoring weights take no part,
    because the rows that these stand for are counted themselves, as censored.

    Attributes
    ----------
    counts : pandas.DataFrame
        Columns ``day`` (UTC, of t0), ``surface`` (of the request, where the candidates have one),
        ``label_kind``, ``treatment``, ``rows``, ``weight``, the sum of their sampling weights, and
        ``shown_again``, the weight of those whose item was shown to the user again inside the
        horizon (NaN: not known); censored rows are counted too.
    zero_rate : float
        The share of rows without an outcome that were kept (1: all).
    inclusion : InclusionChances, optional
        What the logged propensities add up to, where there are some.
    """

    counts: pd.DataFrame
    zero_rate: float
    inclusion: InclusionChances | None = None

    def by(self, *columns: str) -> pd.DataFrame:
        """Add the counts up.

        Parameters
        ----------
        *columns : str
            Columns of `counts` to keep.

        Returns
        -------
        pandas.DataFrame
            Those columns and ``rows``, sorted.
        """
        grouped = self.counts.groupby(list(columns), dropna=False)["rows"].sum()
        return grouped.reset_index()

    @property
    def is_sample(self) -> bool:
        """Whether some rows stand for others, so that shares are not those of the rows."""
        return bool((self.counts["weight"] != self.counts["rows"]).any())

    @property
    def share_censored(self) -> float:
        """Share of all rows, weighted, that the end of the log left out; NaN without a row."""
        return self._share(self.counts[C.LABEL_KIND] == LabelKind.CENSORED, of=self.counts)

    @property
    def share_shown_again(self) -> float:
        """Share of the labelled rows, weighted, with a later exposure inside the horizon."""
        complete = self._complete()
        total = float(complete["weight"].sum())
        again = float(complete[_AGAIN].sum(skipna=False))
        return again / total if total else float("nan")

    @property
    def control_rate(self) -> float:
        """Rate at which rows that were not shown were sampled, before any sample by outcome."""
        controls = self.counts[self.counts[C.TREATMENT] == 0]
        zeros = controls[C.LABEL_KIND] == LabelKind.CONTROL_NEGATIVE
        # So many there were before the zeros were sampled; the weights say what they stand for.
        before = controls["rows"] / zeros.map({True: self.zero_rate, False: 1.0})
        stand_for = float(controls["weight"].sum())
        return float(before.sum()) / stand_for if stand_for else float("nan")

    @property
    def share_organic(self) -> float:
        """Share of the outcomes, weighted, that no impression of their row is credited with."""
        played = self._played()
        return self._share(played[C.LABEL_KIND] == LabelKind.ORGANIC_PLAY, of=played)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should look at, and what may be the matter."""
        found = (
            self._of_outcomes(),
            self._of_censoring(),
            self._of_arms(),
            self._of_days(),
            self._of_propensities(),
        )
        return tuple(text for text in found if text)

    def _complete(self) -> pd.DataFrame:
        return self.counts[self.counts[C.LABEL_KIND] != LabelKind.CENSORED]

    def _played(self) -> pd.DataFrame:
        plays = (LabelKind.ATTRIBUTED_PLAY, LabelKind.ORGANIC_PLAY)
        return self.counts[self.counts[C.LABEL_KIND].isin(plays)]

    def _share(self, chosen: pd.Series, *, of: pd.DataFrame) -> float:
        total = float(of["weight"].sum())
        return float(of["weight"][chosen].sum()) / total if total else float("nan")

    def _how(self) -> str:
        return " (by sampling weight)" if self.is_sample else ""

    def _of_outcomes(self) -> str:
        played = self._played()
        total = int(played["rows"].sum())
        if total == 0:
            return (
                "No row has an outcome: do the plays name users and items as the candidates do, "
                "and do their times lie inside the horizons?"
            )
        if total < _ENOUGH:
            return ""
        if self.share_organic > _MANY_ORGANIC:
            return (
                f"{self.share_organic:.0%} of the {total:,} outcomes{self._how()} are organic: the "
                "attribution window may be too short, or impressions may be missing."
            )
        unexposed = int(played["rows"][played[C.TREATMENT] == 0].sum())
        if unexposed == 0:
            return (
                f"Of {total:,} outcomes none is of a row that was not shown: a play log without "
                "unexposed plays makes uplift the click-through rate."
            )
        return ""

    def _of_censoring(self) -> str:
        if not self.share_censored > _MANY_CENSORED:
            return ""
        return (
            f"{self.share_censored:.0%} of the rows{self._how()} are censored: the log ends too "
            "soon for this horizon; wait, or shorten it."
        )

    def _of_arms(self) -> str:
        complete = self._complete()
        shown = self._share(complete[C.TREATMENT] == 1, of=complete)
        if _SMALL_ARM <= shown <= 1 - _SMALL_ARM or pd.isna(shown):
            return ""
        arm = "shown" if shown < 0.5 else "not shown"
        return (
            f"Only {min(shown, 1 - shown):.2%} of the rows{self._how()} are {arm}: "
            "there is little to compare with the other arm."
        )

    def _of_days(self) -> str:
        complete = self._complete()
        outcomes = self._played().groupby(_DAY)["rows"].sum()
        days = sorted(complete[_DAY].unique())
        if not days or outcomes.sum() < _ENOUGH_A_DAY * len(days):
            return ""
        silent = [str(day) for day in days if not outcomes.get(day, 0)]
        if not silent:
            return ""
        more = f" and {len(silent) - _NAMED_DAYS} more" if len(silent) > _NAMED_DAYS else ""
        return (
            f"No outcome on {', '.join(silent[:_NAMED_DAYS])}{more}, where other days have many: "
            "is the play log whole?"
        )

    def _of_propensities(self) -> str:
        sums = self.inclusion
        if sums is None:
            return ""
        gap = abs(sums.expected - sums.shown)
        if gap <= _OFF_PROPENSITIES * sums.shown or gap <= _BEYOND_CHANCE * sums.noise:
            return ""
        expected, shown = (each / sums.requests for each in (sums.expected, sums.shown))
        return (
            f"The logged propensities add up to {expected:.3g} a request, where {shown:.3g} "
            f"candidates are shown on average: {_OFF_PROPENSITIES:.0%} apart or more, they "
            "cannot be the chances to be in the slate. Log those of the whole slate, not of one "
            "slot, for every candidate that could be shown; or leave the column out, and they are "
            "estimated."
        )


def describe_labels(dataset: UpliftDataset) -> LabelReport:
    """Count labelled and censored rows by day, surface, kind and arm, in one pass over each.

    Parameters
    ----------
    dataset : UpliftDataset
        The rows.

    Returns
    -------
    LabelReport
        The counts.

    Raises
    ------
    DataError
        If the rows cannot be read.
    """
    censored = ibis.literal(LabelKind.CENSORED.value)
    with reading("labels"):
        parts = [
            _count(dataset.table, kind=dataset.table[C.LABEL_KIND], exposures=dataset.exposures),
            _count(dataset.censored, kind=censored, exposures=None),
        ]
        inclusion = _inclusion(dataset.table)
    counts = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return LabelReport(counts=counts, zero_rate=dataset.zero_rate, inclusion=inclusion)


def _inclusion(rows: ibis.Table) -> InclusionChances | None:
    if C.PROPENSITY not in rows.columns:
        return None
    known = rows.filter(rows[C.PROPENSITY].notnull())
    p, weight = known[C.PROPENSITY], known[C.SAMPLING_WEIGHT]
    sums = known.aggregate(
        expected=(weight * p).sum(),
        shown=(weight * known[C.TREATMENT]).sum(),
        variance=(weight * weight * p * (1 - p)).sum(),
    )
    requests = known.select(C.USER, C.T0).distinct().count().name("requests").as_table()
    (found,) = sums.cross_join(requests).to_pyarrow().to_pylist()
    if not found["requests"]:
        return None
    return InclusionChances(
        requests=int(found["requests"]),
        expected=float(found["expected"]),
        shown=float(found["shown"]),
        noise=float(found["variance"]) ** 0.5,
    )


def _count(rows: ibis.Table, *, kind: ibis.Value, exposures: ibis.Table | None) -> pd.DataFrame:
    surface = [C.SURFACE] if C.SURFACE in rows.columns else []
    # Days by the number of hours: a date would be that of the session's time zone.
    day = (hours_begun(rows[C.T0]) // 24).cast("int64")
    keyed = rows.mutate(**{_DAY: day, C.LABEL_KIND: kind})
    weight = C.SAMPLING_WEIGHT
    if exposures is None:
        keyed = keyed.mutate(**{_AGAIN: ibis.null("float64")})
    else:
        marked = mark_later_exposures(keyed, exposures)
        again = ibis.ifelse(marked[LATER_EXPOSURE], marked[weight], 0.0)
        keyed = marked.mutate(**{_AGAIN: again})
    keys = [_DAY, *surface, C.LABEL_KIND, C.TREATMENT]
    counted = keyed.group_by(keys).aggregate(
        rows=keyed.count(), weight=keyed[weight].sum(), **{_AGAIN: keyed[_AGAIN].sum()}
    )
    frame: pd.DataFrame = counted.order_by(keys).to_pyarrow().to_pandas()
    return frame.assign(**{_DAY: [_FIRST_DAY + timedelta(days=int(n)) for n in frame[_DAY]]})
