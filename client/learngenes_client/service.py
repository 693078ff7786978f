"""Which service is asked, and how patiently. No I/O here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from learngenes_client.errors import InvalidArgument
from learngenes_client.retries import TRIES

KEY = re.compile(r"[A-Za-z0-9._~+/=-]+")


@dataclass(frozen=True, slots=True)
class Service:
    """Where the calls go, and how patient they are; what both transports share.

    timeout_seconds: for connecting and for each silence in a document's answer; stall_seconds: for each silence in a
    file's answer. key: sent with each call, but not to where a redirect leads away from the service; never shown.
    tries: of a call that may be asked again, 1 is once. InvalidArgument if base_url is not http(s).
    """

    base_url: str
    timeout_seconds: float
    stall_seconds: float
    key: str | None = field(default=None, repr=False)
    tries: int = TRIES

    def __post_init__(self) -> None:
        _ = self.address
        if self.key and not KEY.fullmatch(self.key):
            raise InvalidArgument(
                "a key is written in letters, digits, '_', '-' and '.', without blanks; this one is not"
            )
        if self.tries < 1:
            raise InvalidArgument(f"a call is tried at least once, got {self.tries} tries")

    @property
    def address(self) -> str:
        """base_url without a user name, password or trailing slash, fit for a message."""
        return _address(self.base_url)


def _address(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError as error:
        raise InvalidArgument(f"{base_url!r} is no service address: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidArgument(f"a service address begins with http:// or https://, got {base_url!r}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
