"""Every documented operation, called with what its schema allows and with what it forbids: schemathesis, fixed seed.

No answer is a 5xx but the documented 503 of a service without a queue, every status is documented, and every body is
of the type that the document says.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import factories
import httpx
import pytest
import requests
import schemathesis
import schemathesis.checks as checks
from cases.jobs import learn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from learngenes_service.access.keys import Keys
from learngenes_service.app import create_app
from learngenes_service.settings import Settings

from learngenes.store.local import LocalStore

Start = Callable[..., AbstractContextManager[Any]]
EXAMPLES = 25
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
"""Of what is refused that the document allows, and the other way round, the other tests tell."""


@dataclass(frozen=True)
class Api:
    """A service with a queue and no worker: a job that is asked for waits. descendant, job: ids that it has."""

    url: str
    session: requests.Session
    descendant: str
    job: str

    def known(self, path: str) -> dict[str, str]:
        """Values of this path's parameters that lead to something."""
        if path.startswith("/v1/jobs"):
            return {"id": self.job}
        if path.startswith("/v1/blobs"):
            return {"sha256": "0" * 64}
        if path.startswith("/v1/learngenes"):
            # Of another than what is downloaded: it may be taken back at any time.
            changes = path.rpartition("/")[2] in ("yank", "signature") or "/aliases/" in path
            name = "other" if changes else "tiny"
            return {"reference": f"{name}@1", "name": "manifest.json" if "{reference}" in path else name}
        return {"id": self.descendant} | ({"name": "config.json"} if "{name}" in path else {})


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, start: Start) -> Iterator[Api]:
    data = tmp_path_factory.mktemp("contract")
    store = LocalStore(data / "store")
    factories.catalog(None, factories.learngene(), factories.learngene(name="other"), store=store)
    headers = {"Authorization": f"Bearer {Keys(store).add('tester', 'admin', at=datetime.now(UTC))}"}
    environment = {"LEARNGENES_REDIS_URL": "", "LEARNGENES_WORKERS": "0"}
    with start(data, settings=environment) as service, httpx.Client(base_url=service.url, headers=headers) as client:
        descendant = client.post("/v1/plan", json={"depth": 3}).json()["id"]
        asked = client.post("/v1/jobs", json=learn())
        assert asked.status_code == 202, asked.text
        assert client.delete(asked.headers["location"]).status_code == 202  # so that its events come to an end
        with requests.Session() as session:
            session.headers.update(headers)
            yield Api(service.url, session, descendant, asked.json()["id"])


def operations() -> list[Any]:
    """Every documented operation."""
    document = create_app(Settings(data=Path("data"), store="store")).openapi()
    return [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label)
@pytest.mark.parametrize("mode", schemathesis.GenerationMode, ids=lambda mode: mode.value)
def test_every_operation_keeps_to_its_document(operation: Any, mode: schemathesis.GenerationMode, api: Api) -> None:
    @given(operation.as_strategy(generation_mode=mode), st.booleans())
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    def keeps(case: Any, there: bool) -> None:
        if there and case.path_parameters:
            case.path_parameters.update(api.known(operation.path))
        answer = case.call(base_url=api.url, session=api.session, timeout=20)
        assert answer.status_code < 500, answer.text
        case.validate_response(answer, checks=CHECKS)

    # Where nothing is taken there is nothing to forbid.
    with contextlib.suppress(Unsatisfiable):
        keeps()
