from __future__ import annotations

import datetime
import json
from pathlib import Path

import numpy as np

from causal_ranker.reporting.blocks import Document, Section, Table
from causal_ranker.reporting.json import to_dict, to_json
from tests.reporting.sample import document


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def test_a_document_survives_the_round_trip() -> None:
    text = to_json(document())
    assert json.loads(text, parse_constant=refuse) == to_dict(document())
    assert text.endswith("}\n")


def test_the_blocks_keep_their_order_and_kinds() -> None:
    sections = to_dict(document())["sections"]
    kinds = [[block["kind"] for block in section["blocks"]] for section in sections]
    assert kinds == [["text", "table", "figure"], ["code"]]
    assert sections[0]["blocks"][1]["rows"][1][1] is None  # NaN


def test_values_become_plain_and_keep_their_precision() -> None:
    third = np.float64(1) / 3
    row = [third, np.int64(3), np.bool_(True), np.array([1.0, np.nan]), float("inf"), Path("a/b")]
    when = datetime.datetime(2017, 1, 2, tzinfo=datetime.UTC)
    table = Table([str(at) for at in range(len(row))], [row])
    found = to_dict(Document("t", "v", [Section("s", [table])], {"when": when, "n": {"x": None}}))
    assert found["sections"][0]["blocks"][0]["rows"] == [
        [float(third), 3, True, [1.0, None], None, str(Path("a/b"))]
    ]
    assert found["meta"] == {"when": "2017-01-02T00:00:00+00:00", "n": {"x": None}}
