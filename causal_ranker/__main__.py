"""``python -m causal_ranker`` is ``causal-ranker``."""

from __future__ import annotations

from causal_ranker.cli import main

if __name__ == "__main__":
    main()
