"""Descendants: brought to this disk, or described.

When no request is made at all: `fetch_descendant` of an id that is in the cache; `fetch_model` of a learngene named
with its version number, if the same arguments were answered before with a descendant of that very version that is in
the cache (one that was fitted to a size can be fitted anew, so it is asked for); and everything offline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from learngenes_client import calls
from learngenes_client.effects import Flow, ask, work
from learngenes_client.flows.bringing import bring, described, in_cache
from learngenes_client.flows.session import Session
from learngenes_client.model import Model
from learngenes_client.models import MODEL_FILE, Document
from learngenes_client.request import Request


def fetch_model(
    self: Session,
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
    allow_yanked: bool = False,
) -> Flow[Model]:
    """The checkpoint of that size, on this disk.

    What is not said the service chooses: its default learngene, at that learngene's own size; request.Request says
    what each argument means, and `methods()` which options there are. A checkpoint that is in the cache costs one
    small request, or none if the learngene is named with its version number and the same was asked before.
    allow_yanked: take a version that was taken back all the same.

    UnsupportedSize carries the nearest size, NeedsLearning the sizes that are ready; IntegrityError means that the file
    that came was not the one described, and was thrown away; Offline, that it is not in the cache.
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
    body = calls.said(request)
    ref = self.cache.referred(self.address, body)
    pinned = learngene is not None and calls.is_pinned(learngene)
    if ref is not None and (self.offline or (pinned and ref.learngene == learngene)):
        known = yield from work(lambda: self.cache.whole(ref.id))
        if known is not None:
            return _model(self, known)
    self.need_network("this checkpoint")
    asked = calls.plan if self.builds else calls.initialize
    document = calls.read_document((yield from ask(asked(request, allow_yanked=allow_yanked))))
    yield from work(lambda: self.cache.refer(self.address, body, document))
    return (yield from bring(self, document, allow_yanked=allow_yanked))


def fetch_descendant(self: Session, id: str, *, allow_yanked: bool = False) -> Flow[Model]:
    """The checkpoint of an id, exactly; without a request if it is in the cache.

    DescendantNotFound if the service does not know it; otherwise as fetch_model.
    """
    known = yield from work(lambda: self.cache.whole(id))
    if known is not None:
        return _model(self, known)
    self.need_network(f"descendant {id}")
    document = yield from described(id, allow_yanked=allow_yanked)
    return (yield from bring(self, document, allow_yanked=allow_yanked))


def describe(
    self: Session,
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
    allow_yanked: bool = False,
) -> Flow[Document]:
    """What `fetch_model` with the same arguments would bring. Nothing is built for it, and nothing kept.

    The sha256 of the weights is None while nobody has fetched them. Offline it is what the cache has of it.
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
    if self.offline:
        ref = self.cache.referred(self.address, calls.said(request))
        known = None if ref is None else (yield from in_cache(self, ref.id))
        if known is not None:
            return known
    self.need_network("the description of this size")
    return calls.read_document((yield from ask(calls.plan(request, allow_yanked=allow_yanked))))


def descendant(self: Session, id: str, *, allow_yanked: bool = False) -> Flow[Document]:
    """The document of a descendant met before; DescendantNotFound if the service no longer knows it.

    Offline it is the one in the cache.
    """
    if self.offline and (known := (yield from in_cache(self, id))) is not None:
        return known
    self.need_network(f"descendant {id}")
    return (yield from described(id, allow_yanked=allow_yanked))


def _model(self: Session, document: Document) -> Model:
    return Model(self.cache.folder(document.id) / MODEL_FILE, document)
