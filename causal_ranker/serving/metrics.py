"""What a service counts and times, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from causal_ranker.serving.breaker import CircuitState

__all__ = ["ServiceMetrics"]

_SECONDS: Final = (
    *(0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.025),
    *(0.03, 0.04, 0.05, 0.055, 0.075, 0.1, 0.25, 1.0),
)
_UPLIFT: Final = (0.0, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_SHARES: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_CIRCUIT: Final[dict[CircuitState, int]] = {"closed": 0, "half_open": 1, "open": 2}


class ServiceMetrics:
    """Counters, gauges and histograms in a registry of their own.

    Attributes
    ----------
    registry : CollectorRegistry
        To be rendered.
    requests : Counter
        Lists answered, by the role of the model that did ("current", "canary").
    latency : Histogram
        Seconds from a request's arrival to its answer.
    fallbacks : Counter
        Lists in base order, by reason.
    shed : Counter
        Requests that waited for no model because too many did, or that got no list at all for it.
    unknown_users, unknown_items, missing_features : Counter
        What the snapshot did not know.
    unread_features : Counter
        Features and columns of requests that the version which answered does not read.
    relaxed : Counter
        Lists that break a rule of their policy, by rule.
    explored, holdout : Counter
        Lists that were drawn, and lists of users who always get the base list.
    decisions, events : Counter
        Records of the log, by outcome: "written", "failed" or "late" (perhaps written, but nobody
        was told).
    swaps, bad_versions : Counter
        Versions that took over, and versions that could not.
    model : Gauge
        1 for each version loaded, by its role.
    shadow : Counter
        Lists that the shadow version scored beside the answer, by outcome: "scored", "dropped"
        (too much to do), "unknown" (it does not know the user) or "failed".
    shadow_uplift : Histogram
        Mean absolute difference of a list's uplifts, in plays per impression.
    shadow_changed : Histogram
        Share of a list's items that the shadow version would not have shown.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter("requests", "Lists answered", "role")
        self.latency = self._histogram("latency_seconds", "From arrival to answer", _SECONDS)
        self.fallbacks = self._counter("fallbacks", "Lists in base order", "reason")
        self.shed = self._counter("shed", "Requests that no model was asked for: too many waited")
        self.unknown_users = self._counter("unknown_users", "Lists for users nobody knows")
        self.unknown_items = self._counter("unknown_items", "Candidates nobody knows")
        self.missing_features = self._counter("missing_features", "Values read as missing")
        self.unread_features = self._counter(
            "unread_features", "Features and columns that came and that the model does not read"
        )
        self.relaxed = self._counter("relaxed", "Lists that break a rule", "rule")
        self.explored = self._counter("explored", "Lists that were drawn")
        self.holdout = self._counter("holdout", "Lists of users who get the base list")
        self.decisions = self._counter(
            "decisions", "Decisions, by how their writing went", "outcome"
        )
        self.events = self._counter("events", "Events, by how their writing went", "outcome")
        self.swaps = self._counter("swaps", "Versions that took over")
        self.bad_versions = self._counter("bad_versions", "Versions that could not take over")
        self.shadow = self._counter("shadow", "Lists scored beside the answer", "outcome")
        self.shadow_uplift = self._histogram(
            "shadow_uplift_difference", "Mean absolute difference of uplifts", _UPLIFT
        )
        self.shadow_changed = self._histogram(
            "shadow_changed_share", "Share of the items shown that would be others", _SHARES
        )
        self.model = self._gauge("model_info", "1 for each version loaded", "role", "version")

    def watch(
        self,
        *,
        waiting: Callable[[], int],
        abandoned: Callable[[], int],
        circuit: Callable[[], CircuitState],
    ) -> None:
        """Read a few things anew at each look.

        Parameters
        ----------
        waiting : callable
            Calls that wait for a thread.
        abandoned : callable
            Threads that were left behind.
        circuit : callable
            State of the current model's circuit.
        """
        self._gauge("queue", "Requests that wait for a model").set_function(waiting)
        self._gauge("abandoned_threads", "Calls that hang").set_function(abandoned)
        self._gauge("circuit", "0 closed, 1 half open, 2 open").set_function(
            lambda: _CIRCUIT[circuit()]
        )

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"causal_ranker_{name}", words, labels, registry=self.registry)

    def _gauge(self, name: str, words: str, *labels: str) -> Gauge:
        return Gauge(f"causal_ranker_{name}", words, labels, registry=self.registry)

    def _histogram(self, name: str, words: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"causal_ranker_{name}", words, buckets=buckets, registry=self.registry)
