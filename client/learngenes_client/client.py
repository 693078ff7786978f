"""The service, call for call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from learngenes_client import calls
from learngenes_client.cache import Cache, cache_root, holds
from learngenes_client.calls import Request
from learngenes_client.download import Progress, bar, fetch_file
from learngenes_client.models import CONFIG_FILE, MODEL_FILE, Catalog, Document, Learngene, Method, Model


class Client:
    """One service and one cache.

        with Client("http://127.0.0.1:8000") as client:
            network = client.fetch_model(depth=9, width=384).to_timm()

    cache: a folder; else LEARNGENES_CACHE, else the system's place for caches.
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
        timeout_seconds: float = 30,
        stall_seconds: float = 30,
        progress: Progress | None = None,
    ) -> None:
        from learngenes_client.transport import Transport  # here, so that importing us does not import httpx

        self._transport = Transport(base_url, timeout_seconds=timeout_seconds, stall_seconds=stall_seconds)
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
        dtype: str | None = None,
        order: str | Sequence[int] | None = None,
        strategy: str | None = None,
        layers: Sequence[int] | None = None,
        seed: int | None = None,
        keys: str | None = None,
    ) -> Model:
        """The checkpoint of that size, on this disk.

        What is not said the service chooses: its default learngene, at that learngene's own size. dtype is
        "f32", "f16" or "bf16". order and strategy decide which stages get how many blocks; layers says the
        stage of every block outright. seed: for tensors made fresh, such as a head for another num_classes.
        A checkpoint that is in the cache costs one small request. UnsupportedSize carries the nearest size;
        IntegrityError means that the file that came was not the one described, and was thrown away.
        """
        document = self.describe(
            depth,
            width,
            learngene=learngene,
            method=method,
            num_classes=num_classes,
            dtype=dtype,
            order=order,
            strategy=strategy,
            layers=layers,
            seed=seed,
            keys=keys,
        )
        return self._fetch(document)

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
        dtype: str | None = None,
        order: str | Sequence[int] | None = None,
        strategy: str | None = None,
        layers: Sequence[int] | None = None,
        seed: int | None = None,
        keys: str | None = None,
    ) -> Document:
        """What `fetch_model` with the same arguments would bring, without its weights."""
        request = Request(
            depth=depth,
            width=width,
            learngene=learngene,
            method=method,
            num_classes=num_classes,
            dtype=dtype,
            order=order if order is None or isinstance(order, str) else tuple(order),
            strategy=strategy,
            layers=None if layers is None else tuple(layers),
            seed=seed,
            keys=keys,
        )
        return calls.read_document(self._transport.ask(calls.initialize(request)))

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
        """All methods the service can build with."""
        return calls.read_methods(self._transport.ask(calls.methods()))
