"""A process that writes decisions and plays until it is killed, and says what was acknowledged."""

from __future__ import annotations

import itertools
import os
import sys
from concurrent.futures import Future

from benchmarks._serving_log import some_decision
from causal_ranker.serving.decisions.config import LogConfig
from causal_ranker.serving.decisions.log import DecisionLog
from causal_ranker.serving.decisions.record import EventRecord, event_id

__all__ = ["main"]


def main(folder: str, segment_bytes: int) -> None:
    """Write, a few records waiting at any time.

    Parameters
    ----------
    folder : str
        The log.
    segment_bytes : int
        Small enough that segments are closed meanwhile.
    """
    log = DecisionLog(folder, config=LogConfig(segment_bytes=segment_bytes))
    waiting: list[Future[bool]] = []
    for number in itertools.count():
        made = some_decision(log.new_id(), candidates=50)
        play = f"{made.decision_id}-{number}"
        event = EventRecord(
            event_id=event_id("play", 1, at_ms=made.at_ms, play_id=play),
            kind="play",
            item_id=1,
            at_ms=made.at_ms,
            received_ms=made.at_ms,
            decision_id=made.decision_id,
            play_id=play,
        )
        for record, word in ((made, f"decision {made.decision_id}"), (event, f"play {play}")):
            future = log.append([record])
            future.add_done_callback(lambda done, word=word: _tell(done, word))  # type: ignore[misc]
            waiting.append(future)
        while len(waiting) > 20:
            waiting.pop(0).result()


def _tell(done: Future[bool], word: str) -> None:
    if done.result():
        os.write(1, f"{word}\n".encode())  # whole or not at all


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
