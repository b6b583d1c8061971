"""What a reader finds in a file that was cut off or changed: every whole record, and the place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.serving.decisions.frames import MAGIC, Damage, Frame, frame, frames
from causal_ranker.serving.decisions.segments import cut_torn_tail

CONTENTS = [b"one", b"", b"\xc1CRD and more", b"four" * 5]


def file_of(contents: list[bytes]) -> bytes:
    return MAGIC + b"".join(map(frame, contents))


def whole(data: bytes) -> list[bytes]:
    return [found.content for found in frames(data) if isinstance(found, Frame)]


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_what_is_written_is_read(contents: list[bytes]) -> None:
    assert whole(file_of(contents)) == contents
    assert not any(isinstance(found, Damage) for found in frames(file_of(contents)))


def test_a_tail_torn_at_any_byte_is_cut_off_and_nothing_else(tmp_path: Path) -> None:
    data = file_of(CONTENTS)
    ends = [len(file_of(CONTENTS[:count])) for count in range(len(CONTENTS) + 1)]
    file = tmp_path / "segment"
    for size in range(len(data) + 1):
        file.write_bytes(data[:size])
        kept = max((end for end in ends if end <= size), default=0)
        assert cut_torn_tail(file) == size - kept
        assert file.read_bytes() == data[:kept]
        assert whole(data[:kept]) == CONTENTS[: max(0, sum(end <= size for end in ends) - 1)]


@pytest.mark.parametrize("bit", [0, 7])
def test_a_flipped_bit_costs_its_record_and_is_told_with_its_place(bit: int) -> None:
    data = file_of(CONTENTS)
    starts = [len(file_of(CONTENTS[:count])) for count in range(len(CONTENTS))]
    for place in range(len(MAGIC), len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << bit
        hit = max(index for index, start in enumerate(starts) if start <= place)
        found = list(frames(bytes(changed)))
        damage = [each for each in found if isinstance(each, Damage)]
        assert whole(bytes(changed)) == CONTENTS[:hit] + CONTENTS[hit + 1 :]
        length = len(frame(CONTENTS[hit]))
        assert damage == [Damage(starts[hit], length, tail=hit == len(CONTENTS) - 1)]


@given(st.binary(max_size=400))
def test_any_bytes_can_be_read(data: bytes) -> None:
    found = list(frames(data))
    sizes = [each.size if isinstance(each, Damage) else len(frame(each.content)) for each in found]
    assert sum(sizes) == len(data) - (len(MAGIC) if data.startswith(MAGIC) else 0)
