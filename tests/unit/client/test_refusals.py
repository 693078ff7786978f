"""Problems of the service as errors of the client."""

from __future__ import annotations

import json
from typing import Any

import pytest
from learngenes_client import calls, errors
from learngenes_client.calls import Answer


def answer(value: object, status: int = 200) -> Answer:
    return Answer(status, {"content-type": "application/json"}, json.dumps(value).encode())


def refused(status: int, problem: object) -> Exception:
    return calls.refusal(answer(problem, status))


@pytest.mark.parametrize(("code", "kind"), errors.SERVICE_ERRORS.items())
def test_every_code_has_its_class(code: str, kind: type[errors.ServiceError]) -> None:
    error = refused(422, {"code": code, "detail": "because", "title": "No"})
    assert type(error) is kind
    assert isinstance(error, errors.ServiceError)
    assert (error.status, error.code, error.detail, str(error)) == (422, code, "because", "because")


def test_a_code_from_a_newer_service_is_a_plain_service_error() -> None:
    assert type(refused(409, {"code": "too-many-jobs", "detail": "wait"})) is errors.ServiceError
    assert type(refused(503, {"code": "busy"})) is errors.ServiceUnavailable


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_proxy_without_its_service_means_unavailable(status: int) -> None:
    error = calls.refusal(Answer(status, {}, b"<html>"))
    assert isinstance(error, errors.ServiceUnavailable)
    assert str(status) in str(error)


def test_an_unsupported_size_leads_on() -> None:
    legal = {"depth": {"first": 6, "last": 12, "step": 1}, "width": {"first": 384, "last": 384, "step": 1}}
    nearest = {"depth": 12, "width": 384}
    error = refused(422, {"code": "unsupported-size", "detail": "no", "legal": legal, "nearest": nearest})
    assert isinstance(error, errors.UnsupportedSize)
    assert (error.legal, error.nearest) == (legal, nearest)


def test_a_size_that_needs_learning_leads_on() -> None:
    size, near = {"depth": 9, "width": 48}, {"depth": 8, "width": 48}
    error = refused(409, {"code": "needs-learning", "detail": "fit it", "size": size, "ready": [near, 5]})
    assert isinstance(error, errors.NeedsLearning)
    assert (error.size, error.ready) == (size, (near,))


def test_an_invalid_request_names_each_field() -> None:
    listed = [{"field": "depth", "message": "at least 1"}, {"field": "dpth", "message": "unknown"}, "odd"]
    error = refused(422, {"code": "invalid-request", "detail": "no", "errors": listed})
    assert isinstance(error, errors.InvalidRequest)
    assert error.errors == (("depth", "at least 1"), ("dpth", "unknown"))
    assert str(error) == "no (depth: at least 1; dpth: unknown)"
    whole = refused(422, {"code": "invalid-request", "detail": "depth: at least 1", "errors": listed[:1]})
    assert str(whole) == "depth: at least 1"


def test_a_problem_of_wrong_types_is_still_its_error() -> None:
    odd: dict[str, Any] = {"code": "needs-learning", "size": [], "ready": {}}
    error = refused(409, odd)
    assert isinstance(error, errors.NeedsLearning)
    assert (error.size, error.ready) == ({}, ())
    odd = {"code": "unsupported-size", "detail": None, "legal": 5, "nearest": [], "errors": {}}
    error = refused(422, odd)
    assert isinstance(error, errors.UnsupportedSize)
    assert (error.legal, error.nearest, error.errors) == ({}, {}, ())


def test_a_version_that_was_taken_back_says_why() -> None:
    error = refused(410, {"code": "yanked", "detail": "it was taken back: wrong", "reason": "wrong"})
    assert isinstance(error, errors.Yanked)
    assert error.reason == "wrong"


def test_a_busy_service_says_for_how_long() -> None:
    error = calls.refusal(Answer(503, {"retry-after": "9"}, b'{"code": "no-queue"}'))
    assert isinstance(error, errors.ServiceUnavailable)
    assert error.retry_after == 9
