"""Every way a call can fail.

    ClientError
    ├── ServiceError                the service answered, and said no
    │   ├── InvalidRequest          a value it refuses; `errors` names each field
    │   │   ├── UnknownName         a name it does not know
    │   │   └── UnsupportedSize     a size the learngene can't take; `legal` and `nearest` lead on
    │   ├── NeedsLearning           a size that has to be fitted first; `ready` lists those that can be had
    │   ├── NotFound                no such address
    │   │   ├── LearngeneNotFound
    │   │   ├── DescendantNotFound
    │   │   └── JobNotFound
    │   ├── Yanked                  a version that was taken back; `reason` says why
    │   ├── JobEnded                nothing to cancel
    │   ├── Unauthorized            it asks for a key, or does not know this one
    │   ├── Forbidden               the key may not do this; `scope` is what it lacks
    │   └── ServiceUnavailable      it failed or is busy; the same call may work later, after `retry_after` seconds
    │       └── TooManyRequests     asked too often
    ├── NetworkError                no whole answer came
    │   ├── Unreachable             no connection could be made
    │   │   └── Unanswered          nobody so much as refused it
    │   ├── Stalled                 connected, then silence
    │   └── Dropped                 the connection was cut before the answer was whole
    ├── Offline                     no network is to be used, and the cache does not have it
    ├── IntegrityError              the file that came is not the one promised
    ├── CantBuild                   a descendant that can't be built on this machine; it can be downloaded
    ├── BadAnswer                   an answer that is not this service's protocol
    ├── InvalidArgument             a value that can't be sent, found before anything was
    ├── NotInTimm                   a network that timm has no class for; the text names the loader
    ├── NotInTransformers           likewise for transformers
    ├── OnnxDiffers                 an ONNX file whose logits are not torch's; it was not kept
    └── MissingPackage              an optional package is needed; the text names the pip command

Classes of ServiceError follow the stable `code` of the problem document, never its text.
The disk's own refusals (full, read-only) stay OSError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Base of all errors of this package; the text is one sentence."""


class ServiceError(ClientError):
    """The service answered with a problem.

    status: of HTTP; code: stable, branch on it; detail: for people; problem: the whole document.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        self.code = str(problem.get("code", ""))
        self.detail = str(problem.get("detail") or problem.get("title") or f"status {status}")
        super().__init__(self.detail)


class InvalidRequest(ServiceError):
    """The service refuses a value. errors: (field, message) for each value at fault, maybe none."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(status, problem)
        listed = problem.get("errors")
        entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
        self.errors = tuple((str(entry.get("field", "")), str(entry.get("message", ""))) for entry in entries)

    def __str__(self) -> str:
        said = (f"{field}: {message}" if field else message for field, message in self.errors)
        fields = "; ".join(one for one in said if one not in self.detail)
        return f"{self.detail} ({fields})" if fields else self.detail


class UnknownName(InvalidRequest):
    """A key, method, option or dtype the service does not know."""


class UnsupportedSize(InvalidRequest):
    """A size the learngene can't take.

    legal: {"depth": {"first", "last", "step"}, "width": {...}}, both ends included.
    nearest: {"depth": int, "width": int}, so `client.fetch_model(**error.nearest)` works.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(status, problem)
        legal, nearest = problem.get("legal"), problem.get("nearest")
        self.legal: dict[str, Any] = dict(legal) if isinstance(legal, dict) else {}
        self.nearest: dict[str, int] = dict(nearest) if isinstance(nearest, dict) else {}


class NeedsLearning(ServiceError):
    """A size the learngene can take once it was fitted to it; `detail` names the command that does.

    size: {"depth": int, "width": int}, the one asked for; ready: such sizes that can be had at once, nearest first,
    so `client.fetch_model(**error.ready[0])` works if there is one. job: the body of POST /v1/jobs that fits the size;
    alternative: what can be had at once, {"body": of POST /initialize, "why", "accuracy"}; each None if there is none.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(status, problem)
        size, ready = problem.get("size"), problem.get("ready")
        self.size: dict[str, int] = dict(size) if isinstance(size, dict) else {}
        entries = ready if isinstance(ready, list) else []
        self.ready: tuple[dict[str, int], ...] = tuple(dict(entry) for entry in entries if isinstance(entry, dict))
        job, alternative = problem.get("job"), problem.get("alternative")
        self.job: dict[str, Any] | None = job if isinstance(job, dict) else None
        self.alternative: dict[str, Any] | None = alternative if isinstance(alternative, dict) else None


class NotFound(ServiceError):
    """The service has no such address."""


class LearngeneNotFound(NotFound):
    """The service has no learngene of that name and version."""


class DescendantNotFound(NotFound):
    """The service knows no descendant of that id; ask for it by size again."""


class JobNotFound(NotFound):
    """The service has no job of that id."""


class JobEnded(ServiceError):
    """The job has ended; there is nothing to cancel."""


class Yanked(ServiceError):
    """The version was taken back. reason: why; `allow_yanked=True` builds and fetches it all the same."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(status, problem)
        self.reason = str(problem.get("reason", ""))


class Unauthorized(ServiceError):
    """The service asks for a key (LEARNGENES_KEY, or `key` of the client), or does not know the one it got."""


class Forbidden(ServiceError):
    """The key may not do this. scope: what it lacks."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(status, problem)
        self.scope = str(problem.get("scope", ""))


class ServiceUnavailable(ServiceError):
    """The service failed or is busy. retry_after: seconds until it answers again, 0 if it does not say."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(status, problem)
        seconds = problem.get("retry_after")
        self.retry_after = seconds if isinstance(seconds, int) and seconds > 0 else 0


class TooManyRequests(ServiceUnavailable):
    """The service was asked too often."""


SERVICE_ERRORS: dict[str, type[ServiceError]] = {
    "unsupported-size": UnsupportedSize,
    "needs-learning": NeedsLearning,
    "unknown-name": UnknownName,
    **dict.fromkeys(("invalid-value", "invalid-request", "invalid-key"), InvalidRequest),
    **dict.fromkeys(("idempotency-key-reused", "digest-mismatch", "bad-tensor-file"), InvalidRequest),
    "learngene-not-found": LearngeneNotFound,
    "descendant-not-found": DescendantNotFound,
    "job-not-found": JobNotFound,
    "not-found": NotFound,
    "yanked": Yanked,
    "job-ended": JobEnded,
    "unauthorized": Unauthorized,
    "forbidden": Forbidden,
    "too-many-requests": TooManyRequests,
    "internal": ServiceUnavailable,
}
"""Stable problem code -> class. A code from a newer service is a plain ServiceError."""


class NetworkError(ClientError):
    """No whole answer came."""


class Unreachable(NetworkError):
    """No connection to the service could be made."""


class Unanswered(Unreachable):
    """No connection was made, and none refused, for as long as we wait; it is not tried again."""


class Stalled(NetworkError):
    """Connected, but no byte for `seconds`."""

    def __init__(self, what: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"{what}: not a byte for {seconds:g} seconds")


class Dropped(NetworkError):
    """The connection was cut before the answer was whole, or what came on it was not HTTP."""


class IntegrityError(ClientError):
    """What came is not what the document promises; it was not kept.

    measure: "bytes" or "sha256"; expected, actual: the two values of it.
    """

    def __init__(self, name: str, measure: str, *, expected: object, actual: object) -> None:
        self.measure, self.expected, self.actual = measure, expected, actual
        super().__init__(f"{name}: {measure} should be {expected}, got {actual}; nothing of it was kept")


class Offline(ClientError):
    """No network is to be used, and the cache does not have what was asked for."""


class CantBuild(ClientError):
    """The descendant can't be built on this machine; the text says why. It can be downloaded."""


class BadAnswer(ClientError):
    """The server answered something that is not this service's protocol."""


class InvalidArgument(ClientError, ValueError):
    """A value that can't be sent; nothing was."""


class NotInTimm(ClientError):
    """The network is of a family that timm has no class for; the text names the loader that builds it."""


class NotInTransformers(ClientError):
    """The network is of a family that transformers has no class for; the text names the loader that builds it."""


class OnnxDiffers(ClientError):
    """onnxruntime's logits of the exported file are not torch's, so no file was made."""


class MissingPackage(ClientError, ImportError):
    """An optional package is needed; the text names the pip command."""
