"""One request of a client of the hub: who asks, for which repository, and what it takes to answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from learngenes_service.access.callers import Caller
from learngenes_service.descendants.small import FOR_EVER
from learngenes_service.headers import answer_to
from learngenes_service.hub.addresses import Repo
from learngenes_service.hub.addresses import repo as repo_of
from learngenes_service.hub.digests import Digests
from learngenes_service.hub.finding import MAIN, Found, find
from learngenes_service.hub.refusals import repo_missing
from learngenes_service.hub.shared import Shared
from learngenes_service.hub.snapshots import Snapshots
from learngenes_service.memory import Descendant
from learngenes_service.state import Library, Shelf
from learngenes_service.waiting import unless_gone

TRUE = ("1", "true", "True")
LISTED_AT_ONCE = 2
MOST_LISTS = 16
REPEATED = ("x-repo-commit", "etag", "x-linked-etag", "x-linked-size")
"""What every answer about a file says of it, redirects and refusals too."""

Result = TypeVar("Result")


class Hub:
    """What the hub remembers between requests, and the threads that make its lists: no others wait behind those."""

    def __init__(self) -> None:
        self.snapshots = Snapshots()
        self.digests = Digests()
        self.lists: Shared[tuple[str, bool], Any] = Shared(at_once=LISTED_AT_ONCE, most=MOST_LISTS)
        self.threads = ThreadPoolExecutor(LISTED_AT_ONCE, thread_name_prefix="hub-list")


@dataclass(frozen=True, slots=True)
class Call:
    """matched: the path as it came, escapes and all, taken apart; shelf: the caller's."""

    request: Request
    matched: re.Match[str]
    caller: Caller
    shelf: Shelf
    hub: Hub

    def part(self, name: str) -> str:
        """A part of the path, unquoted; empty if it was left out."""
        return unquote(self.matched.groupdict().get(name) or "", errors="replace")

    @property
    def repo(self) -> Repo:
        """The repository of the path; Refused if none can be called so."""
        text = self.part("repo")
        found = repo_of(text)
        if found is None:
            name = repr(text.partition("/")[0][:64])[1:-1]
            raise repo_missing(
                f"no repository {text[:100]!r} here: of learngene {name} there are {name}/depth<D>-width<W>, the same "
                f"with -hf, and {name}/{name}"
            )
        return found

    @property
    def misspelled(self) -> bool:
        """Whether the repository has another canonical name than it is called."""
        return self.part("repo") != self.repo.id

    @property
    def base_url(self) -> str:
        """Of the service, as the client knows it."""
        return str(self.request.base_url).rstrip("/")

    @property
    def wants_body(self) -> bool:
        """Whether more than headers is asked for."""
        return self.request.method != "HEAD"

    def number(self, name: str, otherwise: int, *, least: int, most: int) -> int:
        """A number of the query within bounds; what makes no sense is as if not given."""
        text = self.request.query_params.get(name, "")
        return max(least, min(most, int(text[:12]))) if text.isascii() and text.isdecimal() else otherwise

    def hides(self, learngene: str) -> bool:
        """Whether a learngene that this caller sees is hidden from others; may ask the store."""
        library: Library = self.request.app.state.shelves
        return self.caller.sees_private and library.marks.hides(learngene)

    async def found(self, revision: str = MAIN) -> Found:
        """What the repository has at a revision."""
        return await find(self.repo, revision, shelf=self.shelf, snapshots=self.hub.snapshots)

    async def descendant(self, found: Found, *, keep: bool = False) -> Descendant:
        """With its weights. keep: remember its recipe in the store; who only looks leaves nothing there."""
        return await self.shelf.initialize(found.manifest, found.snapshot.place.request, keep=keep)

    async def sha256(self, found: Found) -> str:
        """The true sha256 of the weights, however long it takes."""
        descendant = await self.descendant(found)
        return await unless_gone(self.request.receive, self.hub.digests.true(descendant, self.shelf))

    async def listed(self, work: Callable[[], Result]) -> Result:
        """What takes long to list: made in threads of its own, once for all who ask this and see the same."""
        loop, hub = asyncio.get_running_loop(), self.hub
        key = (f"{self.matched.string}?{self.request.url.query}", self.caller.sees_private)
        answer_to(self.request.scope).private = self.caller.sees_private
        making = hub.lists.wait(key, lambda: loop.run_in_executor(hub.threads, work))
        made: Result = await unless_gone(self.request.receive, making)
        return made

    def json(self, content: Any, found: Found | None = None, *, headers: Mapping[str, str] | None = None) -> Response:
        """An answer in JSON, to be asked for again unless it is of a commit. found: what it tells of."""
        kept = FOR_EVER if found is not None and found.pinned else "no-cache"
        said = {"cache-control": kept, "vary": "authorization", **(headers or {})}
        if found is not None:
            said["x-repo-commit"] = found.snapshot.id
        return JSONResponse(content, headers=said)

    def head(self, found: Found) -> Response:
        """The same without the content, whose length is not known."""
        response = self.json(None, found)
        del response.headers["content-length"]
        return response

    def redirect(self, headers: Mapping[str, str]) -> Response:
        """To the same below the canonical name; relative, so that clients follow within HEAD."""
        scope, (start, stop) = self.request.scope, self.matched.span("repo")
        path = self.matched.string[:start] + quote(self.repo.id) + self.matched.string[stop:]
        query = scope["query_string"].decode("ascii", "replace")
        location = scope.get("root_path", "") + path + (f"?{query}" if query else "")
        kept = {name: headers[name] for name in (*REPEATED, "x-hf-warning") if name in headers}
        return Response(b"", 307, {"location": location, "cache-control": "no-cache", **kept})
