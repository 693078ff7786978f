"""Server-sent events, decoded from whatever pieces they arrive in (WHATWG HTML, 9.2.6). No I/O here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from learngenes_client.errors import BadAnswer
from learngenes_client.jobs import Event

LONGEST_LINE_BYTES = 1 << 20
LONGEST_EVENT = 1 << 20
"""Characters of one event's data, in however many lines."""

ID = re.compile(r"[!-~]{0,200}")
"""What can be sent back as a header."""


class Decoder:
    """Bytes in, events out. last_id: of the last event, where a reader that was cut off goes on."""

    def __init__(self, last_id: str | None = None) -> None:
        self.last_id = last_id
        self._rest = b""
        self._id, self._name = last_id, ""
        self._data: list[str] = []
        self._held = 0

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that this piece completes; BadAnswer if it is no stream of ours."""
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > LONGEST_LINE_BYTES:
            raise BadAnswer(f"a line of the events is longer than {LONGEST_LINE_BYTES} bytes; is this the service?")
        for line in lines:
            yield from self._line(line.rstrip(b"\r"))

    def restart(self) -> None:
        """Forget what was half said: another answer begins."""
        self._rest, self._id = b"", self.last_id
        self._forget()

    def _line(self, line: bytes) -> Iterator[Event]:
        if not line:
            self.last_id = self._id  # not before: an event that was cut off is asked for again
            if self._data:
                yield Event(self.last_id or "", self._name or "message", _object("\n".join(self._data)))
            self._forget()
            return
        field, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
                self._held += len(value) + 1
                if self._held > LONGEST_EVENT:
                    raise BadAnswer(f"an event is longer than {LONGEST_EVENT} characters; is this the service?")
            case "id" if "\0" not in value:
                if not ID.fullmatch(value):
                    raise BadAnswer(f"an event's id is 200 visible ASCII characters at most, got {value!r:.250}")
                self._id = value
            case _:
                pass  # a comment, which keeps the connection alive; or a field we do not know

    def _forget(self) -> None:
        self._name, self._data, self._held = "", [], 0


def _object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadAnswer(f"an event should be JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadAnswer(f"an event should be a JSON object, got {type(value).__name__}")
    return value
