"""Calls about jobs and publishing as plain data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from learngenes_client import calls
from learngenes_client.calls import Answer
from learngenes_client.errors import BadAnswer, InvalidArgument, JobEnded
from learngenes_client.flows.jobs import jobs
from unit.client.drivers import SESSION, Driver
from unit.client.misbehaving import Server

JOB: dict[str, Any] = {
    "id": "ab12",
    "kind": "learn",
    "status": "failed",
    "spec": {"name": "a"},
    "asked": "2026-01-02T03:04:05.678Z",
    "started": None,
    "ended": "2026-01-02T03:04:06.678Z",
    "attempts": 1,
    "position": None,
    "progress": {"step": 3},
    "published": [{"reference": "a@1", "url": "/v1/learngenes/a@1"}],
    "error": {"code": "bad-data", "detail": "no images"},
    "a field of a later service": 1,
}


def answer(value: object, status: int = 200) -> Answer:
    return Answer(status, {"content-type": "application/json"}, json.dumps(value).encode())


@pytest.mark.parametrize("status", [200, 202])
def test_a_job_is_read_and_what_is_new_in_it_is_kept_in_raw(status: int) -> None:
    job = calls.read_job(answer(JOB, status))
    assert (job.id, job.status, job.has_ended, job.published) == ("ab12", "failed", True, ("a@1",))
    assert (job.error, job.progress, job.started, job.hint) == ("no images", {"step": 3}, None, None)
    assert job.raw == JOB


@pytest.mark.parametrize("field", ["id", "kind", "status"])
def test_a_job_without_a_needed_field_is_a_bad_answer_naming_it(field: str) -> None:
    with pytest.raises(BadAnswer, match=f"'{field}'"):
        calls.read_job(answer({name: value for name, value in JOB.items() if name != field}))


def test_a_job_that_has_ended_can_not_be_cancelled() -> None:
    with pytest.raises(JobEnded):
        calls.read_job(answer({"code": "job-ended", "detail": "no"}, 409))
    assert not calls.cancel("ab12").idempotent


def test_pages_of_jobs_lead_on_whatever_their_cursor_looks_like() -> None:
    page = calls.read_jobs(answer({"jobs": [JOB], "next": "/v1/jobs?limit=2&kind=learn&cursor=a%2Bb%3D"}))
    following = calls.next_jobs(page)
    assert following is not None
    assert (following.path, following.query) == ("/v1/jobs", {"limit": "2", "kind": "learn", "cursor": "a+b="})
    assert calls.next_jobs(calls.read_jobs(answer({"jobs": [], "next": None}))) is None


def test_pages_of_jobs_that_lead_in_a_circle_are_left(driver: Driver, server: Server) -> None:
    for number in range(9):
        nexts = f"/v1/jobs?cursor={(number + 1) % 3}"
        path = f"/v1/jobs?cursor={number}" if number else "/v1/jobs?limit=20"
        server.other[path] = [lambda handler, nexts=nexts: handler.json(200, {"jobs": [], "next": nexts})] * 9
    server.other["/v1/jobs?cursor=0"] = list(server.other["/v1/jobs?limit=20"])
    with pytest.raises(BadAnswer, match="in a circle"):
        driver.run(server.url, jobs(SESSION))
    assert len(server.seen) < 6
    with pytest.raises(BadAnswer, match="address of"):
        calls.read_jobs(answer({"jobs": [], "next": "/v1/jobs?cursor=" + "a" * 70_000}))


def test_a_job_is_sent_as_it_is_with_its_key() -> None:
    call = calls.submit({"kind": "learn", "spec": {"name": "a"}}, idempotency_key="k-1")
    assert (call.method, call.path, call.json) == ("POST", "/v1/jobs", {"kind": "learn", "spec": {"name": "a"}})
    assert call.headers["Idempotency-Key"] == "k-1"
    assert "Idempotency-Key" not in calls.submit({"kind": "learn", "spec": {}}).headers


@pytest.mark.parametrize("body", [{}, {"kind": 5, "spec": {}}, {"kind": "learn", "spec": []}, {"spec": {}}])
def test_what_is_no_job_is_not_sent(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match="kind"):
        calls.submit(body)


@pytest.mark.parametrize("key", ["", "two words", "é", "x" * 201, "a\r\nb"])
def test_a_key_that_can_not_be_a_header_is_not_sent(key: str) -> None:
    with pytest.raises(InvalidArgument, match="idempotency key"):
        calls.submit({"kind": "learn", "spec": {}}, idempotency_key=key)


def test_a_file_is_sent_from_disk_by_its_digest() -> None:
    call = calls.put_blob(Path("/file"), sha256="ab" * 32, size=7)
    assert (call.method, call.path, call.file, call.json) == ("PUT", f"/v1/blobs/{'ab' * 32}", Path("/file"), None)
    assert call.headers["Content-Length"] == "7"


@pytest.mark.parametrize(
    "build",
    [
        lambda: calls.yank("a", "why"),
        lambda: calls.yank("a@stable", "why"),
        lambda: calls.unyank("a"),
        lambda: calls.yank("../a@1", "why"),
        lambda: calls.alias("a@1", "stable", 1),
        lambda: calls.alias("a", "1", 1),
        lambda: calls.alias("a", "../b", 1),
        lambda: calls.alias("a/b", "stable", 1),
    ],
)
def test_what_names_no_version_is_not_sent(build: Any) -> None:
    with pytest.raises(InvalidArgument):
        build()


def test_who_allows_what_was_taken_back_says_so_in_every_address() -> None:
    for call in (
        calls.descendant("ab" * 32, allow_yanked=True),
        calls.download("/f", have=0, etag=None, allow_yanked=True),
        calls.small("/f", allow_yanked=True),
    ):
        assert call.query == {"yanked": "allow"}
