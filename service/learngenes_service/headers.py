"""What the answer to a request carries, whichever part answers it: written down here, put in on the way out."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

_KEY = "learngenes.answer"


@dataclass(slots=True)
class Answer:
    """headers: added to those of the response; private: no cache that others share may keep it; caller: for the log."""

    headers: dict[str, str] = field(default_factory=dict)
    private: bool = False
    caller: str | None = None

    def complete(self, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The response's own headers and these."""
        headers = [*given, *((name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items())]
        if not self.private:
            return headers
        control = [value for name, value in headers if name.lower() == b"cache-control"]
        kept = [part for value in control for part in value.split(b", ") if part not in (b"public", b"private")]
        others = [(name, value) for name, value in headers if name.lower() != b"cache-control"]
        return [*others, (b"cache-control", b", ".join([b"private", *kept]))]


def answer_to(scope: MutableMapping[str, Any]) -> Answer:
    """Of the request with this ASGI scope; what is written to it before the response starts is sent with it."""
    answer: Answer = scope.setdefault(_KEY, Answer())
    return answer
