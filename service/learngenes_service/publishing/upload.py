"""One file that comes in. Blocking: call it in threads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import IO

from learngenes.errors import BadTensorFile
from learngenes.tensorfile import FileMap, TensorFile
from learngenes_service.problems import ProblemResponse, Refusal
from learngenes_service.publishing.room import Taken, roomy

PIECE_BYTES = 1 << 20
Piece = bytes | bytearray


class Upload:
    """file: where it is written down; keeps: stages it once it is whole."""

    def __init__(self, file: IO[bytes], taken: Taken, keeps: Callable[[Upload], None]) -> None:
        self._file = file
        self._taken = taken
        self._keeps = keeps
        self._sha256 = hashlib.sha256()

    @property
    def bytes(self) -> int:
        """How much came."""
        return self._taken.bytes

    @property
    def sha256(self) -> str:
        """Of what came."""
        return self._sha256.hexdigest()

    def write(self, piece: Piece) -> None:
        """Some more of it; Refusal if there is no room left."""
        self._taken.grow(len(piece))
        self._sha256.update(piece)
        with roomy():
            self._file.write(piece)

    def keep(self, sha256: str) -> None:
        """Stage it. Refusal if it is not of this digest, or not the safetensors that we accept."""
        if self.sha256 != sha256:
            raise Refusal(
                ProblemResponse(
                    400,
                    "digest-mismatch",
                    f"the {self.bytes} bytes that came have sha256 {self.sha256}, the address says {sha256}; send the "
                    f"file again",
                )
            )
        with roomy():
            self._file.flush()
            try:
                if not self.bytes:
                    raise BadTensorFile("the file is empty")
                TensorFile(FileMap(self._file.fileno()))
            except BadTensorFile as error:
                raise Refusal(ProblemResponse(422, error.code, str(error))) from None
            self._keeps(self)

    def pieces(self) -> Iterator[memoryview]:
        """All that came."""
        view = memoryview(FileMap(self._file.fileno()))
        return (view[at : at + PIECE_BYTES] for at in range(0, len(view), PIECE_BYTES))
