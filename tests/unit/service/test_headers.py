from __future__ import annotations

import pytest
from learngenes_service.headers import Answer, answer_to


def test_one_request_has_one_answer() -> None:
    scope: dict[str, object] = {}
    answer_to(scope).headers["x"] = "1"
    assert answer_to({**scope}).complete([(b"a", b"b")]) == [(b"a", b"b"), (b"x", b"1")]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ([], b"private"),
        ([(b"cache-control", b"public, max-age=31536000, immutable")], b"private, max-age=31536000, immutable"),
        ([(b"Cache-Control", b"no-store")], b"private, no-store"),
        ([(b"cache-control", b"private")], b"private"),
    ],
)
def test_a_private_answer_is_kept_by_no_shared_cache(given: list[tuple[bytes, bytes]], sent: bytes) -> None:
    assert Answer(private=True).complete(given) == [(b"cache-control", sent)]
    assert Answer().complete(given) == given
