"""How far a file has come, told to whoever wants to know."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]
"""Called with (done_bytes, total_bytes); done falls back to 0 if the server makes us start anew."""


@contextmanager
def bar(name: str) -> Iterator[Progress | None]:
    """A tqdm bar on stderr, or None if stderr is no terminal or tqdm is not installed."""
    if not sys.stderr.isatty():
        yield None
        return
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        yield None
        return
    with tqdm(desc=name, unit="B", unit_scale=True, unit_divisor=1024) as shown:

        def show(done_bytes: int, total_bytes: int) -> None:
            shown.total = total_bytes
            shown.update(done_bytes - shown.n)

        yield show


def ignore(done_bytes: int, total_bytes: int) -> None:
    """For who does not want to know."""
