"""Figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from impasto.cli.serve.store.store import Store
from impasto.cli.serve.store.table import ACTIVE, Row

SECONDS = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """Counts what happens to jobs and requests."""

    def __init__(self, store: Store) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Now(store))
        ProcessCollector(registry=self._registry)
        self._ended = Counter(
            "impasto_jobs_ended", "Jobs by how they ended.", ["status"], registry=self._registry
        )
        self._seconds = Histogram(
            "impasto_job_seconds",
            "From a job's start to its end.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self._requests = Counter(
            "impasto_requests", "Answers by status.", ["status"], registry=self._registry
        )
        store.when_ended(self.ended)

    def ended(self, row: Row) -> None:
        """Count a job."""
        self._ended.labels(row.status).inc()
        if row.started is not None and row.ended is not None:
            self._seconds.observe(row.ended - row.started)

    def answered(self, status: int) -> None:
        """Count an answer."""
        self._requests.labels(str(status)).inc()

    def text(self) -> bytes:
        """All of them."""
        found: bytes = generate_latest(self._registry)
        return found


class _Now(Collector):
    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """How it stands at this moment."""
        counts = self._store.table.counts()
        jobs = GaugeMetricFamily("impasto_jobs", "Jobs by status.", labels=["status"])
        for status in (*ACTIVE, "paused", "done", "failed", "cancelled"):
            jobs.add_metric([status], counts.get(status, 0))
        yield jobs
        yield GaugeMetricFamily(
            "impasto_data_bytes", "Of all jobs' folders.", value=self._store.table.bytes()
        )
        yield GaugeMetricFamily(
            "impasto_ready", "Whether jobs are taken and painted.", value=not self._store.problem
        )
