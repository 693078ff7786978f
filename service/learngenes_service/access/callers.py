"""Who asks, and whether they may: dependencies of the endpoints."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, cast

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from learngenes_service.access.addresses import network
from learngenes_service.access.keys import SCOPES, Keys
from learngenes_service.headers import answer_to
from learngenes_service.problems import ProblemResponse, Refusal
from learngenes_service.settings import Scope, Settings, is_loopback

if TYPE_CHECKING:
    from learngenes_service.access.rates import Rate

UNCOUNTED = frozenset({"/metrics"})
"""Who watches the service is not counted; /healthz and /readyz ask nobody who they are."""

_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^:\[\]]+))(?::[0-9]*)?", re.IGNORECASE)
_SCHEME = HTTPBearer(auto_error=False, scheme_name="key", description="A key, `lgz_...`, where one is asked for.")


@dataclass(frozen=True, slots=True)
class Caller:
    """name: of the key; None without one. scopes: all that the caller may."""

    name: str | None
    scopes: frozenset[Scope]

    @property
    def sees_private(self) -> bool:
        """Whether private learngenes are there for this caller."""
        return self.name is not None or "admin" in self.scopes


class Access:
    """What this service knows of keys and counts of requests.

    On the loopback, who has no key may more than read only by a name of the loopback: a page whose own name was made
    to point here (DNS rebinding) may not.
    """

    def __init__(self, keys: Keys, settings: Settings) -> None:
        self._keys = keys
        self._anonymous = settings.anonymous
        self._loopback = is_loopback(settings.host)
        self._rate = _rate(settings) if settings.rate else None

    async def caller(self, request: Request, *, stray_keys: bool = False) -> Caller:
        """Who asks; Refusal 401 for a key that is none, 429 for who asks too often.

        stray_keys: clients of other services send those services' keys here, too: what is none of ours is no key.
        """
        given = request.headers.get("authorization")
        found = _BEARER.fullmatch(given) if given is not None else None
        key = None
        if found is not None:
            key = self._keys.known(found[1])
        address = network(request.client.host if request.client else "")
        if found is not None and key is None:
            # Before the store is asked, and apart: callers without a key leave room for those with one.
            await self._count(request, f"new keys of {address}")
            key = await asyncio.to_thread(self._keys.find, found[1])
        await self._count(request, f"key {key.name}" if key else f"address {address}")
        if key is not None:
            answer_to(request.scope).caller = key.name
            return Caller(key.name, _up_to(key.scope))
        if given is not None and not stray_keys:
            raise _unauthorized(
                "this key opens nothing here: mistyped, revoked, or another service's", error="invalid_token"
            )
        granted = self._anonymous
        if self._loopback and granted != "none" and not is_loopback(_host(request)):
            granted = "read"
        return Caller(None, _up_to(granted))

    async def _count(self, request: Request, who: str) -> None:
        if self._rate is None or request.scope["path"] in UNCOUNTED:
            return
        standing = await self._rate.count(who)
        if standing is None:
            return
        answer_to(request.scope).headers.update(standing.headers())
        if not standing.allowed:
            raise Refusal(
                ProblemResponse(
                    429,
                    "too-many-requests",
                    f"{standing.amount} requests in {standing.window_seconds} seconds is all there is; "
                    f"ask again in {standing.reset_seconds} seconds",
                    headers={"retry-after": str(standing.reset_seconds)},
                )
            )


async def caller(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_SCHEME)]) -> Caller:
    """Who asks."""
    return await cast("Access", request.app.state.access).caller(request)


TheCaller = Annotated[Caller, Depends(caller)]


class Needs:
    """A dependency: the endpoint is for callers with this scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, caller: TheCaller) -> Caller:
        """The caller; Refusal 401 or 403 if the scope is missing."""
        need(caller, self.scope, what="this")
        return caller


def needs(scope: Scope) -> Needs:
    """For `Depends`: the endpoint is for callers with this scope."""
    return Needs(scope)


def need(caller: Caller, scope: Scope, *, what: str) -> None:
    """Refusal unless the caller has this scope: 401 without a key, 403 with one. what: begins the sentence."""
    if scope in caller.scopes:
        return
    if caller.name is None:
        raise _unauthorized(f"{what} needs a key of scope {scope!r}, sent as `Authorization: Bearer lgz_...`")
    raise Refusal(
        ProblemResponse(
            403,
            "forbidden",
            f"{what} needs scope {scope!r}, key {caller.name!r} has {max(caller.scopes, key=SCOPES.index)!r}",
            headers={"www-authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
            scope=scope,
        )
    )


def _rate(settings: Settings) -> Rate:
    """Imported where requests are counted alone: limits and redis-py take as long as numpy."""
    from learngenes_service.access.rates import Rate

    return Rate(settings.rate, redis_url=settings.redis_url)


def _host(request: Request) -> str:
    """The name by which the service was asked for, without the port."""
    found = _HOST.fullmatch(request.headers.get("host", ""))
    return found[1] or found[2] if found else ""


def _up_to(scope: Literal["none"] | Scope) -> frozenset[Scope]:
    return frozenset(SCOPES[: SCOPES.index(scope) + 1]) if scope != "none" else frozenset()


def _unauthorized(detail: str, error: str = "") -> Refusal:
    challenge = 'Bearer realm="learngenes"' + (f', error="{error}"' if error else "")
    return Refusal(ProblemResponse(401, "unauthorized", detail, headers={"www-authenticate": challenge}))
