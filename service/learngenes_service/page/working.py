"""Where pages are made: on few threads of their own, so that however many are asked for, the API goes on answering."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

Made = TypeVar("Made")

THREADS = 2


async def made(work: Callable[[], Made]) -> Made:
    """What the work comes to, once it is its turn."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_threads(), lambda: context.run(work))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="page")
