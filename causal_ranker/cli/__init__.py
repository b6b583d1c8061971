"""The command line: arguments and exit codes only; the work is done by the rooms below.

0 is success, 1 a machine that ``doctor`` finds wanting, 2 input that cannot be used.
"""

from __future__ import annotations

from causal_ranker.cli.app import main

__all__ = ["main"]
