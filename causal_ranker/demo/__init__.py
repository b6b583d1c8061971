"""The demonstration: the whole chain on real grocery logs, or on a world whose truth is known."""

from causal_ranker.demo.run import DemoResult, run_demo

__all__ = ["DemoResult", "run_demo"]
