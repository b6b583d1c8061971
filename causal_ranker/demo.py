"""The demonstration: the whole chain on real grocery logs, or on a world whose truth is known."""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
from rich.console import Console

from causal_ranker.evaluation.background import assumptions_section, reproduce_section
from causal_ranker.evaluation.report import Report
from causal_ranker.evaluation.sections import policies_section
from causal_ranker.ranker import CausalRanker
from causal_ranker.reporting.blocks import Section, Table
from causal_ranker.reporting.console import print_section
from causal_ranker.serving.adapter import RerankedList

__all__ = ["DemoResult", "run_demo"]
