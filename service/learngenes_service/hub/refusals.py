"""How clients of the hub are told no: they branch on X-Error-Code and show X-Error-Message, whatever the body says."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.responses import JSONResponse, Response

from learngenes_service.problems import hub_headers

READ_ONLY = "This hub is read-only"
CODES = {404: "NotFound", 413: "TooLarge", 429: "TooManyRequests", 500: "Internal", 503: "Unavailable"}
"""Of what other parts of the service say."""


class Refused(Exception):
    """status, code and message of the answer. A missing repository is 401 for who sent no token, as at the hub itself.

    Clients know RepoNotFound, RevisionNotFound, EntryNotFound and GatedRepo; any other code is a plain error to them.
    """

    def __init__(self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.code, self.message = status, code, message
        self.headers = dict(headers or {})
        super().__init__(message)

    def response(self, *, anonymous: bool) -> Response:
        """The answer. anonymous: the caller sent no token."""
        status = 401 if self.code == "RepoNotFound" and anonymous else self.status
        return JSONResponse(
            {"error": self.message},
            status,
            {"cache-control": "no-store", **self.headers, **hub_headers(self.code, self.message)},
        )


def repo_missing(message: str) -> Refused:
    """No such repository, or none that this caller may know of."""
    return Refused(404, "RepoNotFound", message)


def revision_missing(message: str) -> Refused:
    """The repository has no such branch, tag or commit."""
    return Refused(404, "RevisionNotFound", message)


def entry_missing(message: str, *, commit: str) -> Refused:
    """No such file in this commit, which the client remembers."""
    return Refused(404, "EntryNotFound", message, headers={"x-repo-commit": commit})


def read_only() -> Refused:
    """For whatever would change something."""
    return Refused(403, "ReadOnly", READ_ONLY)


def nothing_here(path: str) -> Refused:
    """For what this hub does not have."""
    return Refused(404, "NotFound", f"nothing is at {path[:200]}")


def from_problem(problem: Response) -> Response:
    """A problem of another part of the service, for clients of the hub too."""
    detail = str(json.loads(bytes(problem.body)).get("detail", ""))
    problem.headers.update(hub_headers(CODES.get(problem.status_code, "Refused"), detail))
    return problem
