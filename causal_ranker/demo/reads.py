"""Count how often a report window was read: every read after the first is a chance to peek."""

from __future__ import annotations

import json
from pathlib import Path

from causal_ranker.errors import ConfigError

__all__ = ["count_read"]


def count_read(path: Path, window: str) -> int:
    """Add one read of a window and return how many there were.

    Parameters
    ----------
    path : Path
        File that keeps the counts, as JSON.
    window : str
        Name of the window.

    Returns
    -------
    int
        Reads so far, this one included.

    Raises
    ------
    ConfigError
        If the file cannot be read or written, or holds something else.
    """
    try:
        counts: dict[str, int] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        counts[window] = counts.get(window, 0) + 1
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(
            expected=f"a JSON object of counts that can be read and written at {path}",
            came=str(error),
            do="Remove the file, or give another folder with --out.",
        ) from error
    return counts[window]
