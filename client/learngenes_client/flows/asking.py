"""What the service says: which sizes fit a budget, learngenes, methods."""

from __future__ import annotations

from learngenes_client import calls
from learngenes_client.effects import Flow, ask
from learngenes_client.flows.session import Session
from learngenes_client.models import Catalog, Learngene, Method
from learngenes_client.ranking import Ranking
from learngenes_client.request import Budget


def plan(
    self: Session,
    *,
    max_params: int | None = None,
    max_macs: int | None = None,
    max_bytes: int | None = None,
    max_latency_ms: float | None = None,
    dataset: str | None = None,
    epochs_after: int | None = None,
    learngene: str | None = None,
    method: str | None = None,
    dtype: str | None = None,
    limit: int | None = None,
) -> Flow[Ranking]:
    """Which descendants fit a budget, best first by measured quality; request.Budget says what each means.

    `fetch_model(best.depth, best.width, learngene=best.learngene)` brings the best of its candidates.
    InvalidArgument without a limit.
    """
    budget = Budget(
        max_params=max_params,
        max_macs=max_macs,
        max_bytes=max_bytes,
        max_latency_ms=max_latency_ms,
        dataset=dataset,
        epochs_after=epochs_after,
        learngene=learngene,
        method=method,
        dtype=dtype,
        limit=limit,
    )
    self.need_network("a ranking")
    return calls.read_ranking((yield from ask(calls.plan(budget))))


def learngenes(self: Session) -> Flow[Catalog]:
    """All learngenes of the service, and which is the default."""
    self.need_network("the list of learngenes")
    return calls.read_learngenes((yield from ask(calls.learngenes())))


def learngene(self: Session, name: str) -> Flow[Learngene]:
    """One learngene, `name` (its newest version), `name@version` or `name@alias`; LearngeneNotFound if none is."""
    self.need_network(f"learngene {name}")
    return calls.read_learngene((yield from ask(calls.learngene(name))))


def methods(self: Session) -> Flow[tuple[Method, ...]]:
    """All methods the service can build with: what each varies, its options and their defaults."""
    self.need_network("the list of methods")
    return calls.read_methods((yield from ask(calls.methods())))
