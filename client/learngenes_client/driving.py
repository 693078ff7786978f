"""The two drivers of flows: one waits, the other awaits. All that differs between Client and AsyncClient is here.

`driven` and `awaited` turn a flow into a method: its arguments, defaults and docstring stay those of the flow.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from learngenes_client.effects import Ask, Effect, Emit, Flow, Open, Read, Sleep, Work
from learngenes_client.flows.session import Session
from learngenes_client.jobs import Event

if TYPE_CHECKING:
    from learngenes_client.transport import AsyncOpening, AsyncTransport, Opening, Transport

T = TypeVar("T")
P = ParamSpec("P")


class Waiting:
    """Does what flows ask for, each in its turn. sleep: waits so many seconds."""

    def __init__(self, session: Session, transport: Transport, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.session, self._transport, self._sleep = session, transport, sleep

    def run(self, flow: Flow[T]) -> T:
        """The flow's result."""
        steps = self._steps(flow)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                result: T = done.value
                return result

    def iterate(self, flow: Flow[None]) -> Iterator[Any]:
        """What the flow emits."""
        return self._steps(flow)

    def _steps(self, flow: Flow[T]) -> Generator[object, None, T]:
        opening: Opening | None = None
        result, error = None, None
        try:
            while True:
                effect = flow.send(result) if error is None else flow.throw(error)
                result, error = None, None
                if isinstance(effect, Emit):
                    yield effect.value
                    continue
                if isinstance(effect, Open) and opening is not None:
                    opening.close()
                try:
                    if isinstance(effect, Open):
                        opening = self._transport.open(effect.call)
                        result = opening.opened
                    else:
                        result = self._perform(effect, opening)
                except BaseException as raised:
                    error = raised
        except StopIteration as done:
            value: T = done.value
            return value
        finally:
            flow.close()
            if opening is not None:
                opening.close()

    def _perform(self, effect: Effect, opening: Opening | None) -> Any:
        match effect:
            case Ask(call):
                return self._transport.ask(call)
            case Read():
                assert opening is not None
                return opening.read()
            case Sleep(seconds):
                return self._sleep(seconds)
            case Work(run):
                return run()
        raise AssertionError(effect)


class Awaiting:
    """Does what flows ask for without holding up the event loop. sleep: awaits so many seconds."""

    def __init__(
        self,
        session: Session,
        transport: AsyncTransport,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.session, self._transport, self._sleep = session, transport, sleep

    async def run(self, flow: Flow[T]) -> T:
        """The flow's result."""
        result: list[T] = []
        async for _ in self._steps(flow, result):
            pass
        return result[0]

    def iterate(self, flow: Flow[None]) -> AsyncIterator[Any]:
        """What the flow emits."""
        return self._steps(flow, [])

    async def _steps(self, flow: Flow[T], returned: list[T]) -> AsyncIterator[object]:
        """As Waiting's; the result goes to `returned`, which an asynchronous generator can't return."""
        opening: AsyncOpening | None = None
        result, error = None, None
        try:
            while True:
                effect = flow.send(result) if error is None else flow.throw(error)
                result, error = None, None
                if isinstance(effect, Emit):
                    yield effect.value
                    continue
                if isinstance(effect, Open) and opening is not None:
                    await opening.close()
                try:
                    if isinstance(effect, Open):
                        opening = await self._transport.open(effect.call)
                        result = opening.opened
                    else:
                        result = await self._perform(effect, opening)
                except BaseException as raised:
                    error = raised
        except StopIteration as done:
            returned.append(done.value)
        finally:
            flow.close()
            if opening is not None:
                await opening.close()

    async def _perform(self, effect: Effect, opening: AsyncOpening | None) -> Any:
        match effect:
            case Ask(call):
                return await self._transport.ask(call)
            case Read():
                assert opening is not None
                return await opening.read()
            case Sleep(seconds):
                return await self._sleep(seconds)
            case Work(run):
                return await _in_thread(run)
        raise AssertionError(effect)


async def _in_thread(run: Callable[[], object]) -> object:
    """What run returns. Cancelled, however often, it waits for the thread: it may be writing a file that we locked."""
    task = asyncio.ensure_future(asyncio.to_thread(run))
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    task.cancelled() or task.exception()  # seen, so that nobody is told that it was not
    raise cancelled


class Driven:
    """A client whose methods wait."""

    _driver: Waiting


class Awaited:
    """A client whose methods are awaited."""

    _driver: Awaiting


def driven(flow: Callable[Concatenate[Session, P], Flow[T]]) -> Callable[Concatenate[Driven, P], T]:
    """The method that waits for this flow's result."""

    def method(self: Driven, /, *arguments: P.args, **named: P.kwargs) -> T:
        return self._driver.run(flow(self._driver.session, *arguments, **named))

    _present(method, flow)
    return method


def awaited(flow: Callable[Concatenate[Session, P], Flow[T]]) -> Callable[Concatenate[Awaited, P], Awaitable[T]]:
    """The method that awaits this flow's result."""

    async def method(self: Awaited, /, *arguments: P.args, **named: P.kwargs) -> T:
        return await self._driver.run(flow(self._driver.session, *arguments, **named))

    _present(method, flow)
    return method


def iterated(flow: Callable[Concatenate[Session, P], Flow[None]]) -> Callable[Concatenate[Driven, P], Iterator[Event]]:
    """The method that iterates over the events of this flow."""

    def method(self: Driven, /, *arguments: P.args, **named: P.kwargs) -> Iterator[Event]:
        return self._driver.iterate(flow(self._driver.session, *arguments, **named))

    _present(method, flow)
    return method


def async_iterated(
    flow: Callable[Concatenate[Session, P], Flow[None]],
) -> Callable[Concatenate[Awaited, P], AsyncIterator[Event]]:
    """The method that iterates over the events of this flow with `async for`."""

    def method(self: Awaited, /, *arguments: P.args, **named: P.kwargs) -> AsyncIterator[Event]:
        return self._driver.iterate(flow(self._driver.session, *arguments, **named))

    _present(method, flow)
    return method


def _present(method: Callable[..., object], flow: Callable[..., object]) -> None:
    """The method's name, docstring and signature are the flow's, but that it returns what the flow ends with."""
    functools.update_wrapper(method, flow)
    signature = inspect.signature(flow)
    ends_with = str(signature.return_annotation).removeprefix("Flow[").removesuffix("]")
    method.__signature__ = signature.replace(return_annotation=ends_with)  # type: ignore[attr-defined]
