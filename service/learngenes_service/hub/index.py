"""The hub's JSON about itself: which repositories there are, who asks, and what it has none of."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from learngenes_service.hub import documents, listing
from learngenes_service.hub.calls import TRUE, Call
from learngenes_service.hub.listing import PAGE, Cursor, Wanted
from learngenes_service.hub.refusals import Refused, nothing_here, repo_missing

ONLY_IN_FULL = frozenset({"siblings", "cardData", "model-index", "config", "safetensors", "spaces", "usedStorage"})
"""What a list tells of each repository only if it is asked to."""


async def list_models(call: Call) -> Response:
    """Repositories; a `Link` leads to the next page. All have the same age and no downloads: no order is better."""
    query = call.request.query_params
    if query.get("gated") in TRUE:
        return call.json([])
    filters = [part for value in query.getlist("filter") for part in value.split(",") if part]
    wanted = Wanted(
        author=query.get("author", ""),
        search=query.get("search", ""),
        tags=frozenset([*filters, *(part for part in (query.get("pipeline_tag"),) if part)]),
        most=call.number("limit", PAGE, least=1, most=PAGE),
    )
    rows, after = await call.listed(lambda: _rows(call, wanted, listing.cursor(query.get("cursor", ""))))
    headers = {}
    if after is not None:
        others = [(name, value) for name, value in query.multi_items() if name != "cursor"]
        url = f"{call.base_url}/api/models?{urlencode([*others, ('cursor', str(after))])}"
        headers["link"] = f'<{url}>; rel="next"'
    return call.json(rows, headers=headers)


def _rows(call: Call, wanted: Wanted, start: Cursor) -> tuple[list[dict[str, Any]], Cursor | None]:
    found = listing.page(wanted, start, catalog=call.shelf.catalog, snapshots=call.hub.snapshots)
    query = call.request.query_params
    expand = query.getlist("expand")
    kept = {name for name in ("cardData", "config") if query.get(name) in TRUE}
    left_out = frozenset() if expand or query.get("full") in TRUE else ONLY_IN_FULL - kept
    rows = []
    for snapshot in found.rows:
        row = documents.info(snapshot, private=call.hides(snapshot.repo.learngene))
        told = {name: value for name, value in row.items() if name not in left_out}
        rows.append(documents.expanded(told, expand))
    return rows, found.after


async def whoami(call: Call) -> Response:
    """Who a key of this service is; a token of another hub is nobody here."""
    name = call.caller.name
    if name is None:
        raise Refused(401, "Unauthorized", "without a key of this service you are nobody here, and may read")
    token = {"displayName": name, "role": "read"}
    return call.json(
        {
            "type": "user",
            "id": name,
            "name": name,
            "fullname": name,
            "email": None,
            "canPay": False,
            "isPro": False,
            "orgs": [],
            "auth": {"type": "access_token", "accessToken": token},
        }
    )


async def agent_harnesses(call: Call) -> Response:
    """What new clients ask first: which tools to tell apart; none."""
    return call.json({"standardEnvVars": [], "harnesses": {}})


async def no_list(call: Call) -> Response:
    """Of what this hub has none of."""
    return call.json([])


async def no_repo(call: Call) -> Response:
    """Data sets and spaces."""
    raise repo_missing("there are models here, and nothing else")


async def nothing(call: Call) -> Response:
    """What a newer client may ask for and does without."""
    raise nothing_here(call.matched.string)
