"""The hub's JSON about one repository: what is in it and what it was."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.responses import RedirectResponse, Response

from learngenes_service.headers import answer_to
from learngenes_service.hub import documents, history
from learngenes_service.hub.calls import TRUE, Call
from learngenes_service.hub.finding import Found
from learngenes_service.hub.refusals import Refused, entry_missing


async def model_info(call: Call) -> Response:
    """A repository at a revision: facts, card and files."""
    found = await call.found(call.part("revision") or "main")
    if call.misspelled:
        return call.redirect(_commit(found))
    if not call.wants_body:
        return call.head(found)
    query = call.request.query_params
    sha256 = await call.sha256(found) if query.get("blobs") in TRUE else None
    document = documents.info(found.snapshot, private=answer_to(call.request.scope).private, sha256=sha256)
    return call.json(documents.expanded(document, query.getlist("expand")), found)


async def tree(call: Call) -> Response:
    """Every file, with true digests however long that takes: clients wait for this answer without end."""
    found = await call.found(call.part("revision"))
    if call.misspelled:
        return call.redirect(_commit(found))
    folder = call.part("folder").strip("/")
    if folder:
        raise entry_missing(f"{found.snapshot.repo.id} has no folder {folder[:200]!r}", commit=found.snapshot.id)
    if not call.wants_body:
        return call.head(found)
    expand = call.request.query_params.get("expand") in TRUE
    return call.json(documents.tree(found.snapshot, sha256=await call.sha256(found), expand=expand), found)


async def paths_info(call: Call) -> Response:
    """Those of the paths asked for that are there."""
    paths, expand = _paths(await call.request.body(), call.request.headers.get("content-type", ""))
    found = await call.found(call.part("revision"))
    if call.misspelled:
        return call.redirect(_commit(found))
    rows = documents.tree(found.snapshot, sha256=await call.sha256(found), expand=expand)
    return call.json([row for row in rows if row["path"] in paths], found)


async def refs(call: Call) -> Response:
    """Branches and tags."""
    found = await call.found()
    if call.misspelled:
        return call.redirect({})
    catalog, snapshots = call.shelf.catalog, call.hub.snapshots
    return call.json(
        await call.listed(lambda: history.refs(call.repo, found.snapshot, catalog=catalog, snapshots=snapshots))
    )


async def commits(call: Call) -> Response:
    """The commits of a revision, newest first."""
    found = await call.found(call.part("revision"))
    if call.misspelled:
        return call.redirect(_commit(found))
    catalog, snapshots = call.shelf.catalog, call.hub.snapshots
    rows = await call.listed(lambda: history.commits(found.snapshot, catalog=catalog, snapshots=snapshots))
    start = call.number("p", 0, least=0, most=10**9)
    headers = {"x-total-count": str(len(rows)), **_commit(found)}
    return call.json(rows if start == 0 else [], headers=headers)


async def auth_check(call: Call) -> Response:
    """Whether the caller may read a repository: who may not gets no answer but that it is not there."""
    await call.found()
    return call.json({})


async def web_page(call: Call) -> Response:
    """What people see who follow a repository's name: this service's page at its size."""
    place = (await call.found()).snapshot.place
    query = urlencode({"learngene": call.repo.learngene, "depth": place.size.depth, "width": place.size.width})
    return RedirectResponse(f"{call.request.scope.get('root_path', '')}/?{query}", 302, {"cache-control": "no-cache"})


def _commit(found: Found) -> dict[str, str]:
    return {"x-repo-commit": found.snapshot.id}


def _paths(body: bytes, kind: str) -> tuple[set[str], bool]:
    """Paths of a form or of JSON, and whether they are to be told of in full."""
    try:
        if kind.startswith("application/json"):
            table: dict[str, Any] = json.loads(body)
            paths = table.get("paths", [])
            return {str(path) for path in ([paths] if isinstance(paths, str) else paths)}, bool(table.get("expand"))
        pairs = parse_qsl(body.decode(), max_num_fields=1000)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Refused(400, "BadRequest", "the body names paths as JSON or as a form") from None
    return {value for name, value in pairs if name in ("paths", "paths[]")}, ("expand", "True") in pairs or (
        "expand",
        "true",
    ) in pairs
