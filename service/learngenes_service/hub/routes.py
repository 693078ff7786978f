"""Where clients of the hub knock. Paths are taken apart as they came: in `refs%2Fpr%2F1` the slashes are no slashes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from learngenes.names import RESERVED
from learngenes_service.headers import answer_to
from learngenes_service.hub import api, files, index
from learngenes_service.hub.addresses import repo
from learngenes_service.hub.calls import Call, Hub
from learngenes_service.hub.refusals import Refused, from_problem, nothing_here, read_only, repo_missing
from learngenes_service.problems import problem_of
from learngenes_service.state import Shelf

Handler = Callable[[Call], Awaitable[Response]]

READING = frozenset({"GET", "HEAD"})
_REPO = r"(?P<repo>[^/]+(?:/[^/]+)?)"
_API = rf"/api/models/{_REPO}"


@dataclass(frozen=True, slots=True)
class Door:
    """template: how metrics call the route; pattern: of raw paths. open: it tells nobody of any repository."""

    template: str
    pattern: str
    handler: Handler
    methods: frozenset[str] = READING
    open: bool = False


DOORS = (
    Door("/{repo}/resolve/{revision}/{path}", rf"/{_REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", files.resolve),
    Door("/{repo}/raw/{revision}/{path}", rf"/{_REPO}/raw/(?P<revision>[^/]+)/(?P<path>.+)", files.resolve),
    Door("/api/models", r"/api/models/?", index.list_models),
    Door("/api/models/{repo}/tree/{revision}", rf"{_API}/tree/(?P<revision>[^/]+)(?:/(?P<folder>.*))?", api.tree),
    Door("/api/models/{repo}/revision/{revision}", rf"{_API}/revision/(?P<revision>[^/]+)", api.model_info),
    Door("/api/models/{repo}/commits/{revision}", rf"{_API}/commits/(?P<revision>[^/]+)", api.commits),
    Door(
        "/api/models/{repo}/paths-info/{revision}",
        rf"{_API}/paths-info/(?P<revision>[^/]+)",
        api.paths_info,
        frozenset({"POST"}),
    ),
    Door("/api/models/{repo}/refs", rf"{_API}/refs", api.refs),
    Door("/api/models/{repo}/auth-check", rf"{_API}/auth-check", api.auth_check),
    Door("/api/models/{repo}", _API, api.model_info),
    Door("/api/whoami-v2", r"/api/whoami-v2", index.whoami, open=True),
    Door("/api/agent-harnesses", r"/api/agent-harnesses", index.agent_harnesses, open=True),
    Door("/{repo}.git/{path}", rf"/{_REPO}\.git/.+", index.nothing, open=True),
    Door("/api/datasets", r"/api/(?:datasets|spaces)", index.no_list),
    Door("/datasets/{repo}", r"(?:/api)?/(?:datasets|spaces)/.+", index.no_repo),
    Door("/api/{path}", r"/api(?:/.*)?", index.nothing, open=True),
    Door("/{repo}", r"/(?P<repo>[^/]+/[^/]+)(?:/(?:tree|blob)/.*)?", api.web_page),
)


def routes(hub: Hub) -> list[BaseRoute]:
    """For the app, behind all others."""
    return [HubRoute(hub, door) for door in DOORS]


class HubRoute(BaseRoute):
    """One door; who comes to write is told that this hub is read-only."""

    def __init__(self, hub: Hub, door: Door) -> None:
        self.path_format = door.template
        self._hub = hub
        self._door = door
        self._pattern = re.compile(door.pattern, re.ASCII | re.DOTALL)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See Starlette."""
        if scope["type"] != "http":
            return Match.NONE, {}
        matched = self._pattern.fullmatch(_raw_path(scope))
        if matched is None or (not self._door.template.startswith("/api") and _namespace(matched) in RESERVED):
            return Match.NONE, {}
        if self._door.handler is api.web_page and repo(unquote(matched["repo"])) is None:
            return Match.NONE, {}
        return Match.FULL, {"hub.matched": matched}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See Starlette. What the library and the app's own handlers say otherwise is answered by them."""
        scope["route"] = self
        request = Request(scope, receive)
        try:
            response = await self._answer(request, scope["hub.matched"])
        except Refused as refused:
            response = refused.response(anonymous="authorization" not in request.headers)
        except Exception as error:
            response = from_problem(await problem_of(request, error))
        await response(scope, receive, send)

    async def _answer(self, request: Request, matched: re.Match[str]) -> Response:
        state = request.app.state
        caller = await state.access.caller(request, stray_keys=True)
        if request.method not in self._door.methods:
            raise nothing_here(matched.string) if request.method in READING else read_only()
        if "read" not in caller.scopes and not self._door.open:
            raise repo_missing("no repository here for who has no key of this service")
        library, answer = state.shelves, answer_to(request.scope)
        shelf = Shelf(library, sees_private=caller.sees_private, answer=answer)
        call = Call(request, matched, caller, shelf, self._hub)
        return await self._door.handler(call)


def _raw_path(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("ascii", "replace")


def _namespace(matched: re.Match[str]) -> str:
    return (matched.groupdict().get("repo") or "").partition("/")[0].lower()
