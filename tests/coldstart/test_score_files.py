from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from causal_ranker.coldstart.named import NamedScores
from causal_ranker.coldstart.score_files import (
    read_embeddings,
    read_scores,
    write_scores,
)
from causal_ranker.coldstart.scores import FactoredScores, MatrixScores
from causal_ranker.errors import DataError, RowError, SchemaError
from causal_ranker.recommenders.ids import Ids

USERS, ITEMS = Ids(["ann", "bob", "cem"], name="users"), Ids([30, 10, 20, 40], name="items")
RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(3, 4)).astype(np.float32)
FACTORS = FactoredScores(RNG.normal(size=(3, 2)), RNG.normal(size=(4, 2)))


def scores_of(named: NamedScores) -> dict[tuple[object, object], float]:
    block = named.scores.block(0, len(named.users.ids))
    return {
        (user, item): float(block[row, column])
        for row, user in enumerate(named.users.ids)
        for column, item in enumerate(named.items.ids)
    }


@pytest.mark.parametrize("scores", [MatrixScores(MATRIX), FACTORS])
@pytest.mark.parametrize("name", ["new/scores.npz", "new/scores.parquet"])
def test_what_is_written_is_read(
    tmp_path: Path, scores: MatrixScores | FactoredScores, name: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir()
    write_scores(scores, users=USERS, items=ITEMS, path=path)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    found = read_scores(str(path))
    wanted = scores_of(NamedScores(scores, USERS, ITEMS))
    assert scores_of(found) == pytest.approx(wanted, rel=1e-6)
    # embeddings stay embeddings where they can
    kept = isinstance(scores, FactoredScores) and name.endswith(".npz")
    assert isinstance(found.scores, FactoredScores) == kept


def test_many_users_are_written_in_blocks(tmp_path: Path) -> None:
    scores = MatrixScores(RNG.normal(size=(1100, 3)).astype(np.float32))
    users, items = Ids(range(1100), name="users"), Ids(["a", "b", "c"], name="items")
    for name in ("scores.npz", "scores.parquet"):
        write_scores(scores, users=users, items=items, path=tmp_path / name)
        found = read_scores(str(tmp_path / name))
        np.testing.assert_array_equal(found.scores.block(0, 1100), scores.matrix)


def test_rows_are_numbered_where_no_ids_are_given(tmp_path: Path) -> None:
    np.savez(tmp_path / "bare.npz", users=FACTORS.users, items=FACTORS.items)
    found = read_scores(str(tmp_path / "bare.npz"))
    assert (list(found.users.ids), list(found.items.ids)) == ([0, 1, 2], [0, 1, 2, 3])


def test_two_tables_of_embeddings(tmp_path: Path) -> None:
    for name, ids, vectors in (("user", USERS, FACTORS.users), ("item", ITEMS, FACTORS.items)):
        table = pd.DataFrame({f"{name}_id": ids.ids, "embedding": vectors.tolist()})
        table.to_parquet(tmp_path / f"{name}s.parquet")
    found = read_embeddings(str(tmp_path / "users.parquet"), str(tmp_path / "items.parquet"))
    assert scores_of(found) == pytest.approx(scores_of(NamedScores(FACTORS, USERS, ITEMS)))


def test_files_that_cannot_be_scores(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"

    def refused(error: type[Exception], match: str, **arrays: object) -> None:
        np.savez(path, **arrays)  # type: ignore[arg-type]
        with pytest.raises(error, match=match):
            read_scores(str(path))

    refused(
        SchemaError,
        r"the arrays users and items, or a matrix scores.*got U \(3, 2\)",
        U=MATRIX[:, :2],
    )
    refused(DataError, "Object arrays", scores=MATRIX, user_ids=USERS.ids.astype(object))
    refused(SchemaError, "ids of 2 users", scores=MATRIX, user_ids=np.array(["a", "b"]))
    refused(RowError, "each id of user_ids once", scores=MATRIX, user_ids=np.array([1, 1, 2]))
    refused(SchemaError, "one id for each row", scores=MATRIX, user_ids=np.ones((3, 1)))
    refused(SchemaError, "embeddings of one width", users=MATRIX, items=MATRIX[:, :2])
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"an \.npz file"):
        read_scores(str(path))
    with pytest.raises(DataError, match="No such file"):
        read_scores(str(tmp_path / "none.npz"))


def test_a_table_scores_every_pair_once(tmp_path: Path) -> None:
    whole = pd.DataFrame(
        [(user, item, 0.5) for user in "ab" for item in (1, 2)],
        columns=["user_id", "item_id", "score"],
    )
    path = tmp_path / "scores.parquet"

    def refused(table: pd.DataFrame, error: type[Exception], match: str) -> None:
        table.to_parquet(path)
        with pytest.raises(error, match=match):
            read_scores(str(path))

    refused(whole.iloc[:3], RowError, "each of 2 users for each of 2 items; got 3 rows")
    refused(pd.concat([whole.iloc[:3], whole.iloc[:1]]), RowError, "1 pairs, e.g. of b and 2")
    refused(whole.assign(score="high"), SchemaError, "numbers in 'score'")
    refused(whole.assign(user_id=["a", None, "b", "b"]), RowError, "none in 1 of 4 rows")
    refused(whole.drop(columns="score"), SchemaError, "the column 'score'")
    whole.assign(score=[1.0, np.nan, 1.0, 1.0]).to_parquet(path)
    found = read_scores(str(path))
    with pytest.raises(RowError, match="NaN or infinity"):
        found.scores.block(0, 2)
