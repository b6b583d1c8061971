"""A fit that was interrupted goes on where it stopped, to the same bytes, or begins again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from causal_ranker.boosting import BoostConfig
from causal_ranker.errors import ConfigError
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checkpoint import Checkpoint
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.nuisance import NuisanceConfig, Nuisances, cross_fit
from tests.uplift.worlds import draw

TREES = BoostConfig(rounds=5, leaves=6, min_rows_leaf=30)
NUISANCE = NuisanceConfig(outcome=TREES, propensity=TREES, propensity_kinds=("boosted",))
CONFIG = LearnerConfig(final=TREES, nuisance=NUISANCE)
#: Units that are not users: a propensity model for each pair of folds, beside those for later.
ROWS = replace(draw(60, n=2_000).rows, unit=np.arange(2_000) % 7)
MODELS = 10


def fit(rows: Rows, checkpoint: Checkpoint | None, **how: Any) -> Nuisances:
    config, seed = how.pop("config", NUISANCE), how.pop("seed", 3)
    return Nuisances(config=config, seed=seed).fit(rows, checkpoint=checkpoint, **how)


def final_text(nuisances: Nuisances, rows: Rows) -> str:
    values = nuisances.cross_fitted(rows)
    learner = DRLearner(config=CONFIG, seed=3).fit(rows, nuisances=values)
    assert learner.model_ is not None
    return learner.model_.model_to_string()


@pytest.fixture(scope="module")
def uninterrupted() -> str:
    return final_text(fit(ROWS, None), ROWS)


def stop_after(steps: int) -> Callable[[], None]:
    """Fail at the given step, as a full disk or a closed lid would."""
    done: list[int] = []

    def advance() -> None:
        done.append(1)
        if len(done) == steps:
            raise KeyboardInterrupt

    return advance


@pytest.mark.parametrize("steps", range(1, 6))
def test_it_goes_on_to_the_same_bytes(steps: int, tmp_path: Path, uninterrupted: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(ROWS, Checkpoint(tmp_path), advance=stop_after(steps))
    again = Checkpoint(tmp_path)
    resumed = fit(ROWS, again)
    assert len(again.reused) == 5 + steps
    assert len(again.fitted) == MODELS - 5 - steps
    assert again.differs == ()
    assert final_text(resumed, ROWS) == uninterrupted
    third = Checkpoint(tmp_path)
    assert final_text(fit(ROWS, third), ROWS) == uninterrupted
    assert len(third.reused) == MODELS
    assert str(third) == f"10 of 10 models from {tmp_path}"


@pytest.mark.parametrize("writes", range(1, 2 * MODELS + 2))
def test_a_death_at_any_write_leaves_whole_models(
    writes: int, tmp_path: Path, uninterrupted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is written aside; the process ends before it gets its name."""
    real, left = Path.open, [writes]

    def dying(path: Path, *args: Any, **settings: Any) -> Any:
        handle = real(path, *args, **settings)
        if path.suffix == ".part":
            left[0] -= 1
            if not left[0]:
                handle.write(b"half a fi")
                handle.close()
                raise KeyboardInterrupt
        return handle

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", dying)
        with pytest.raises(KeyboardInterrupt):
            fit(ROWS, Checkpoint(tmp_path))
    again = Checkpoint(tmp_path)
    resumed = fit(ROWS, again)
    # The manifest comes first; then, for each model, its file and its line in the manifest.
    assert len(again.reused) == max(0, (writes - 2) // 2)
    if writes in (2, 2 * MODELS + 1):
        assert final_text(resumed, ROWS) == uninterrupted


def changed(name: str) -> Rows:
    values = getattr(ROWS, name).copy()
    values[17] = 1 - values[17] if name in ("treatment", "outcome") else values[17] + 1
    return replace(ROWS, **{name: values})


def features(row: int, value: float) -> Rows:
    x = ROWS.features.copy()
    x[row, 2] = value
    return replace(ROWS, features=x)


OTHERS: dict[str, tuple[Rows, dict[str, Any], tuple[str, ...]]] = {
    **{name: (changed(name), {}, (f"rows.{name}",)) for name in ("treatment", "outcome", "weight")},
    **{name: (changed(name), {}, (f"rows.{name}",)) for name in ("user", "unit")},
    "a feature": (features(1_999, 0.5), {}, ("rows.features",)),
    "a missing value": (features(0, np.nan), {}, ("rows.features",)),
    "names": (replace(ROWS, names=("a", "b", "c", "d")), {}, ("rows.columns",)),
    "categorical": (replace(ROWS, categorical=("x3",)), {}, ("rows.columns",)),
    "seed": (ROWS, {"seed": 4}, ("seed",)),
    "settings": (ROWS, {"config": NuisanceConfig(outcome=TREES, folds=2)}, ("settings",)),
    "propensity": (
        replace(ROWS, propensity=np.full(2_000, 0.5)),
        {},
        ("rows.propensity",),
    ),
}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("held")
    fit(ROWS, Checkpoint(folder))
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def put(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("what", OTHERS)
def test_anything_else_begins_again_and_says_so(
    what: str, held: dict[str, bytes], tmp_path: Path
) -> None:
    rows, how, differs = OTHERS[what]
    checkpoint = Checkpoint(put(held, tmp_path))
    found = fit(rows, checkpoint, **how)
    assert checkpoint.reused == []
    assert checkpoint.differs == differs
    assert f"another fit ({', '.join(differs)} differ)" in str(checkpoint)
    alone = fit(rows, None, **how).cross_fitted(rows)
    for name, values in vars(found.cross_fitted(rows)).items():
        np.testing.assert_array_equal(values, getattr(alone, name))


def test_rows_that_the_propensity_is_learned_from_count(
    held: dict[str, bytes], tmp_path: Path
) -> None:
    checkpoint = Checkpoint(put(held, tmp_path))
    fit(ROWS, checkpoint, assignment=ROWS.take(np.arange(1_000)))
    assert checkpoint.reused == []
    assert {name.split(".")[0] for name in checkpoint.differs} == {"assignment"}


def test_other_versions_begin_again(
    held: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("causal_ranker.uplift.checkpoint.version", lambda name: "9.9")
    checkpoint = Checkpoint(put(held, tmp_path))
    fit(ROWS, checkpoint)
    assert checkpoint.differs == ("causal-ranker", "lightgbm")


def test_equal_rows_in_another_layout_are_equal(held: dict[str, bytes], tmp_path: Path) -> None:
    checkpoint = Checkpoint(put(held, tmp_path))
    fit(replace(ROWS, features=np.asfortranarray(ROWS.features)), checkpoint)
    assert len(checkpoint.reused) == MODELS


@pytest.mark.parametrize("harm", ["cut", "other", "gone"])
def test_a_damaged_model_is_fitted_again(
    harm: str, held: dict[str, bytes], tmp_path: Path, uninterrupted: str
) -> None:
    name = "nuisance-outcome-0-1.txt"
    file = put(held, tmp_path) / name
    if harm == "gone":
        file.unlink()
    else:
        other = held["nuisance-outcome-1-1.txt"] if harm == "other" else held[name][:-9]
        file.write_bytes(other)
    checkpoint = Checkpoint(tmp_path)
    assert final_text(fit(ROWS, checkpoint), ROWS) == uninterrupted
    assert checkpoint.fitted == ["outcome-0-1"]
    assert file.read_bytes() == held[name]


def test_kinds_of_propensity_are_compared_again(tmp_path: Path) -> None:
    """Only trees are kept; what is compared with them, and the choice, is found again."""
    every = NuisanceConfig(outcome=TREES, propensity=TREES)
    whole = fit(ROWS, None, config=every)
    assert len(whole.propensity_trials) == 3
    with pytest.raises(KeyboardInterrupt):
        fit(ROWS, Checkpoint(tmp_path), config=every, advance=stop_after(3))
    resumed = fit(ROWS, Checkpoint(tmp_path), config=every)
    assert resumed.propensity_trials == whole.propensity_trials
    assert final_text(resumed, ROWS) == final_text(whole, ROWS)


def test_only_text_is_written(held: dict[str, bytes]) -> None:
    assert len(held) == MODELS + 1
    assert json.loads(held.pop("nuisances.json"))["files"].keys() == {
        name.removeprefix("nuisance-").removesuffix(".txt") for name in held
    }
    assert all(text.startswith(b"tree\n") for text in held.values())


def test_the_short_form_takes_a_checkpoint(tmp_path: Path) -> None:
    for reused in (0, MODELS):
        checkpoint = Checkpoint(tmp_path)
        cross_fit(ROWS, config=NUISANCE, seed=3, checkpoint=checkpoint)
        assert len(checkpoint.reused) == reused


@pytest.mark.parametrize("text", ["{", "[]", '{"files": 3, "made_of": {}}', '{"files": {}}'])
def test_a_file_that_is_no_manifest_is_left_alone(text: str, tmp_path: Path) -> None:
    (tmp_path / "nuisances.json").write_text(text)
    with pytest.raises(ConfigError, match=r"nuisances\.json"):
        fit(ROWS, Checkpoint(tmp_path))
    assert (tmp_path / "nuisances.json").read_text() == text


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="a folder for checkpoints"):
        fit(ROWS, Checkpoint(tmp_path / "file" / "folder"))
