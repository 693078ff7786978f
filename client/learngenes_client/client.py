"""The service, call for call."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from learngenes_client import calls
from learngenes_client.cache import Cache, cache_root, holds
from learngenes_client.download import Progress, bar, fetch_file
from learngenes_client.model import Model
from learngenes_client.models import CONFIG_FILE, MODEL_FILE, Catalog, Document, Learngene, Method
from learngenes_client.ranking import Ranking
from learngenes_client.request import Budget, Request

KEY_VARIABLE = "LEARNGENES_KEY"


class Client:
    """One service and one cache.

        with Client("http://127.0.0.1:8000") as client:
            network = client.fetch_model(depth=9, width=384).to_timm()

    cache: a folder; else LEARNGENES_CACHE, else the system's place for caches.
    key: of the service, if it asks for one; else LEARNGENES_KEY. It is sent to the service alone.
    timeout_seconds: for connecting, and for each silence in a document's answer.
    stall_seconds: for each silence while a file arrives.
    progress: called with (done_bytes, total_bytes) of the weights; without it a tqdm bar is
    shown if stderr is a terminal and tqdm is installed.

    Safe to use from several threads, and several processes may share a cache. Every method may raise
    ServiceError (it said no), NetworkError (nothing whole came) or BadAnswer (not our protocol).
    """

    def __init__(
        self,
        base_url: str,
        *,
        cache: Path | str | None = None,
        key: str | None = None,
        timeout_seconds: float = 30,
        stall_seconds: float = 30,
        progress: Progress | None = None,
    ) -> None:
        from learngenes_client.transport import Transport  # here, so that importing us does not import httpx

        self._transport = Transport(
            base_url,
            timeout_seconds=timeout_seconds,
            stall_seconds=stall_seconds,
            key=os.environ.get(KEY_VARIABLE) if key is None else key,
        )
        self._cache = Cache(cache_root(cache, os.environ))
        self._progress = progress

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._transport.close()

    def fetch_model(
        self,
        depth: int | None = None,
        width: int | None = None,
        *,
        learngene: str | None = None,
        method: str | None = None,
        num_classes: int | None = None,
        labels: Sequence[str] | None = None,
        img_size: int | None = None,
        patch_size: int | None = None,
        in_chans: int | None = None,
        pool: str | None = None,
        dtype: str | None = None,
        order: str | Sequence[int] | None = None,
        strategy: str | None = None,
        layers: Sequence[int] | None = None,
        seed: int | None = None,
        keys: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Model:
        """The checkpoint of that size, on this disk.

        What is not said the service chooses: its default learngene, at that learngene's own size; request.Request says
        what each argument means, and `methods()` which options there are. A checkpoint that is in the cache costs one
        small request. UnsupportedSize carries the nearest size, NeedsLearning the sizes that are ready; IntegrityError
        means that the file that came was not the one described, and was thrown away.
        """
        request = Request(
            depth=depth,
            width=width,
            learngene=learngene,
            method=method,
            num_classes=num_classes,
            labels=labels,
            img_size=img_size,
            patch_size=patch_size,
            in_chans=in_chans,
            pool=pool,
            dtype=dtype,
            order=order,
            strategy=strategy,
            layers=layers,
            seed=seed,
            keys=keys,
            options=options,
        )
        return self._fetch(calls.read_document(self._transport.ask(calls.initialize(request))))

    def fetch_descendant(self, id: str) -> Model:
        """The checkpoint of an id, exactly; DescendantNotFound if the service does not know it."""
        return self._fetch(self.descendant(id))

    def _fetch(self, document: Document) -> Model:
        config, weights = document.file(CONFIG_FILE), document.file(MODEL_FILE)
        folder = self._cache.open(document)
        fetch_file(self._transport, config, folder / CONFIG_FILE)
        path = folder / MODEL_FILE
        if self._progress or holds(path, weights):
            fetch_file(self._transport, weights, path, progress=self._progress)
        else:
            with bar(f"{document.learngene} {document.depth}x{document.width}") as shown:
                fetch_file(self._transport, weights, path, progress=shown)
        return Model(path, document)

    def describe(
        self,
        depth: int | None = None,
        width: int | None = None,
        *,
        learngene: str | None = None,
        method: str | None = None,
        num_classes: int | None = None,
        labels: Sequence[str] | None = None,
        img_size: int | None = None,
        patch_size: int | None = None,
        in_chans: int | None = None,
        pool: str | None = None,
        dtype: str | None = None,
        order: str | Sequence[int] | None = None,
        strategy: str | None = None,
        layers: Sequence[int] | None = None,
        seed: int | None = None,
        keys: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Document:
        """What `fetch_model` with the same arguments would bring. Nothing is built for it.

        The sha256 of the weights is None while nobody has fetched them.
        """
        request = Request(
            depth=depth,
            width=width,
            learngene=learngene,
            method=method,
            num_classes=num_classes,
            labels=labels,
            img_size=img_size,
            patch_size=patch_size,
            in_chans=in_chans,
            pool=pool,
            dtype=dtype,
            order=order,
            strategy=strategy,
            layers=layers,
            seed=seed,
            keys=keys,
            options=options,
        )
        return calls.read_document(self._transport.ask(calls.plan(request)))

    def plan(
        self,
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
    ) -> Ranking:
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
        return calls.read_ranking(self._transport.ask(calls.plan(budget)))

    def descendant(self, id: str) -> Document:
        """The document of a descendant met before; DescendantNotFound if the service no longer knows it."""
        return calls.read_document(self._transport.ask(calls.descendant(id)))

    def learngenes(self) -> Catalog:
        """All learngenes of the service, and which is the default."""
        return calls.read_learngenes(self._transport.ask(calls.learngenes()))

    def learngene(self, name: str) -> Learngene:
        """One learngene, `name` or `name@version`; LearngeneNotFound if there is none."""
        return calls.read_learngene(self._transport.ask(calls.learngene(name)))

    def methods(self) -> tuple[Method, ...]:
        """All methods the service can build with: what each varies, its options and their defaults."""
        return calls.read_methods(self._transport.ask(calls.methods()))
