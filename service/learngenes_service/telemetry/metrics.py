"""Numbers for Prometheus, in a registry of the app's own. Labels take few values: templates of routes, no ids."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})

log = logging.getLogger("learngenes.service")


class Metrics:
    """Everything that is counted. Safe to use from several threads."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "learngenes_requests", "Requests that were answered.", ("route", "method", "status"), registry=registry
        )
        self._sent = Counter("learngenes_sent_bytes", "Bytes of bodies that were sent.", ("route",), registry=registry)
        self._first_byte = Histogram(
            "learngenes_first_byte_seconds",
            "From the request to the first byte of its answer's body.",
            ("route",),
            registry=registry,
            buckets=SECONDS,
        )
        self.open = Gauge("learngenes_requests_open", "Requests that are being answered.", registry=registry)
        self.recipes = Counter("learngenes_recipes_planned", "Recipes that were planned.", registry=registry)
        self._store = Counter(
            "learngenes_store_errors", "Operations of the store that failed.", ("operation",), registry=registry
        )

    def answered(self, *, route: str, method: str, status: int, sent: int, first_byte: float | None) -> None:
        """One request is over. first_byte: seconds; None if there was no body."""
        self._requests.labels(route, method if method in METHODS else "other", str(status)).inc()
        self._sent.labels(route).inc(sent)
        if first_byte is not None:
            self._first_byte.labels(route).observe(first_byte)

    def store_failed(self, operation: str) -> None:
        """An operation of the store failed otherwise than by what is there or not there."""
        self._store.labels(operation).inc()

    def jobs(self, census: Callable[[], Mapping[str, Any]]) -> None:
        """Show how the queue stands; `census` is taken in a thread at each reading and may fail in any way.

        It gives depth (waiting jobs by queue), running, workers, and heartbeat_age: seconds since the most silent
        worker spoke, None without workers.
        """
        self._registry.register(_Queue(census))

    def text(self) -> bytes:
        """All of it in the text format of Prometheus."""
        return generate_latest(self._registry)


class _Queue(Collector):
    def __init__(self, census: Callable[[], Mapping[str, Any]]) -> None:
        self._census = census

    def describe(self) -> list[Metric]:
        """No names: to be registered must not ask for them."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What is there now; of a queue that can't be reached only that."""
        try:
            census = self._census()
        except Exception as error:  # whatever the queue says, the other numbers are to be had
            log.warning("the queue can't be read: %s", error)
            yield _gauge("queue_up", "1 if the queue can be reached.", 0)
            return
        yield _gauge("queue_up", "1 if the queue can be reached.", 1)
        depth = GaugeMetricFamily("learngenes_queue_depth", "Jobs that wait for a worker.", labels=["queue"])
        for queue, count in census["depth"].items():
            depth.add_metric([queue], count)
        yield depth
        yield _gauge("jobs_running", "Jobs that run.", census["running"])
        yield _gauge("workers", "Workers that are there.", census["workers"])
        if census["heartbeat_age"] is not None:
            meaning = "Since the most silent of the workers was heard of."
            yield _gauge("worker_heartbeat_age_seconds", meaning, census["heartbeat_age"])


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"learngenes_{name}", meaning, value=value)
