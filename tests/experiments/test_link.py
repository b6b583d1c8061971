from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.stats.proportion import proportion_confint
from typer.testing import CliRunner

from causal_ranker.cli.app import app
from causal_ranker.errors import EmptyError, RowError, SchemaError
from causal_ranker.experiments.link import PastExperiments, link

Z = 1.959963984540054
SLOPE = 0.6


def past(seed: int, *, count: int = 20, offline_error: float = 0.5) -> PastExperiments:
    """Tests measure 0.6 of the truth that offline estimates are about; both have errors."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1, count)
    errors = offline_error, 0.2
    offline = truth + rng.normal(0, errors[0], count)
    measured = SLOPE * truth + 0.1 + rng.normal(0, errors[1], count)
    return PastExperiments(
        tuple(f"test {n}" for n in range(count)),
        *(offline + errors[0] * end for end in (0, -Z, Z)),
        *(measured + errors[1] * end for end in (0, -Z, Z)),
    )


def test_without_offline_errors_it_is_least_squares() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=12)
    y = 0.4 + 0.7 * x + rng.normal(size=12)
    tiny, error = 1e-7, 0.1  # less than there is, so that the scatter counts
    found = link(
        PastExperiments(tuple("abcdefghijkl"), x, x - tiny, x + tiny, y, y - error, y + error)
    )
    fit = sm.OLS(y, sm.add_constant(x)).fit()
    assert found.slope.point == pytest.approx(fit.params[1], abs=1e-6)
    assert found.intercept == pytest.approx(fit.params[0], abs=1e-6)
    assert (found.slope.low, found.slope.high) == pytest.approx(tuple(fit.conf_int()[1]), abs=1e-6)
    assert found.excess == pytest.approx(fit.scale / (error / Z) ** 2)


def test_the_slope_is_found_where_least_squares_is_too_flat() -> None:
    data = [past(seed) for seed in range(100)]
    found = [link(each) for each in data]
    slopes = np.array([each.slope.point for each in found])
    flat = np.mean([np.polyfit(each.offline, each.measured, 1)[0] for each in data])
    assert flat < 0.52
    assert abs(np.median(slopes) - SLOPE) < 0.03
    held = sum(each.slope.low <= SLOPE <= each.slope.high for each in found)
    assert held >= 89  # 95 are expected, a few more as scatter below 1 is not believed
    assert np.mean([each.excess for each in found]) == pytest.approx(1, abs=0.15)


def test_held_allows_for_both_errors() -> None:
    found = link(
        PastExperiments(
            ("a", "b", "c", "d"),
            [0, 0, 1, 1],
            [-1, -1, 0.9, 0.9],
            [1, 1, 1.1, 1.1],
            [1.2, 1.5, 1.1, -0.9],
            [0.2, 0.5, 1.0, -1.0],
            [2.2, 2.5, 1.2, -0.8],
        )
    )
    # The first two are 1.2 and 1.5 apart, where sqrt(2) is allowed.
    assert found.held.tolist() == [True, False, True, False]
    assert (found.held_share.low, found.held_share.high) == pytest.approx(
        proportion_confint(2, 4, method="wilson")
    )
    assert found.same_sign == 0.25


def test_estimates_that_hardly_differ_leave_the_slope_open() -> None:
    names = ("a", "b", "c")
    found = link(PastExperiments(names, *([0.0, e, -e] for e in (0.01,)), [-1] * 3, [1] * 3,
                                 [1, 2, 3], [0, 1, 2], [2, 3, 4]))  # fmt: skip
    assert found.slope.low == -np.inf
    assert found.slope.high == np.inf


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"names": ("a", "b")}, SchemaError, "2 rows"),
        ({"measured": [1.0, 9.0, 1.0]}, RowError, "measured estimate.*1 others.*'b'"),
        ({"offline_low": [0.0, 0.0, 1.0], "offline_high": [2.0, 2.0, 1.0]}, RowError, "'c'"),
        ({"offline": [1.0, np.nan, 1.0]}, RowError, "offline"),
    ],
)
def test_bad_input(change: dict[str, object], error: type[Exception], words: str) -> None:
    given: dict[str, object] = {"names": ("a", "b", "c")}
    for side in ("offline", "measured"):
        given |= {side: [1.0] * 3, f"{side}_low": [0.0] * 3, f"{side}_high": [2.0] * 3}
    link(PastExperiments(**given))
    with pytest.raises(error, match=words):
        link(PastExperiments(**(given | change)))
    with pytest.raises(EmptyError, match="at least 3"):
        link(PastExperiments(("a", "b"), *([0.0, 1.0], [-1.0, 0.0], [1.0, 2.0]) * 2))


def test_the_command(tmp_path: Path) -> None:
    data = past(1, count=60)
    columns = {name: value for name, value in vars(data).items() if name != "names"}
    pd.DataFrame({"experiment": data.names, **columns}).to_csv(tmp_path / "past.csv", index=False)
    asked = ["experiment", "link", "--data", str(tmp_path / "past.csv")]
    page = tmp_path / "page.html"
    told = CliRunner().invoke(app, [*asked, "--html", str(page)])
    assert told.exit_code == 0, told.output
    found = link(data)
    words = " ".join(told.output.replace("│", " ").split())
    assert f"Offline held in {found.held.sum()} of 60 experiments" in words
    assert "but effects are smaller than estimated" in words
    assert "experiments</text>" in page.read_text("utf-8")
    answer = json.loads(CliRunner().invoke(app, [*asked, "--json"]).output)
    assert answer["slope"]["point"] == pytest.approx(found.slope.point)
    assert sum(answer["held"]) == found.held.sum()
