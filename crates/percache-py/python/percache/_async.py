"""Coroutines that remember, on any event loop that asyncio or trio knows.

One task computes and the others await it. While a task runs a piece of the computation, its duty is known to the
native half, so that a call which would wait for itself computes; tasks that it has started are known by their context.
"""

import contextvars
import sys
import time
import types

from . import _percache
from ._function import _ATTEMPTS, tell

#: The keys that the tasks around this one compute.
_computing = contextvars.ContextVar("percache.computing", default=frozenset())


def wrapper(memoized):
    """Returns the coroutine function that remembers."""
    look = memoized.memo.look

    async def wrapper(*args, **kwargs):
        found, value = look(args, kwargs)
        if found:
            return value
        if found is None:
            memoized.warn_unkeyable(value)
            return await memoized.function(*args, **kwargs)
        return await _miss(memoized, value, args, kwargs)

    async def refresh(*args, **kwargs):
        try:
            key, lead = memoized.refresh_lead(args, kwargs)
        except (TypeError, ValueError) as error:
            memoized.warn_unkeyable(error)
            return await memoized.function(*args, **kwargs)
        return await _lead(memoized, lead, key, args, kwargs)

    wrapper.refresh = refresh
    return wrapper


async def _miss(memoized, key, args, kwargs):
    tell()
    core, memo = memoized.core, memoized.memo
    answer = core.begin(memo, key)
    for _ in range(_ATTEMPTS):
        if isinstance(answer, _percache.Wait):
            if key in _computing.get():
                # Whoever computes it waits for this task.
                answer.give_up()
                break
            answer = await _waited(answer)
        if isinstance(answer, _percache.Lead):
            return await _lead(memoized, answer, key, args, kwargs)
        if answer is None:
            break
        loaded = memo.load(key, answer)
        if loaded is not None:
            return loaded[0]
        answer = core.begin(memo, key)
    return await _lead(memoized, core.lead_anyway(memo, key), key, args, kwargs)


async def _lead(memoized, lead, key, args, kwargs):
    memoized.misses += 1
    start = time.perf_counter()
    token = _computing.set(_computing.get() | {key})
    try:
        value = await _driven(lead, memoized.function(*args, **kwargs))
    except BaseException as error:
        memoized.failed(lead, error, args, kwargs)
        raise
    finally:
        _computing.reset(token)
    memoized.keep(lead, key, value, time.perf_counter() - start, args, kwargs)
    return value


@types.coroutine
def _driven(lead, coroutine):
    """Runs a coroutine piece by piece, each as a part of the computation."""
    step, argument = coroutine.send, None
    try:
        while True:
            try:
                awaited = lead.run(step, (argument,))
            except StopIteration as stop:
                return stop.value
            try:
                step, argument = coroutine.send, (yield awaited)
            except GeneratorExit:
                raise
            except BaseException as error:
                step, argument = coroutine.throw, error
    finally:
        coroutine.close()


async def _waited(wait):
    """Awaits the end of a wait."""
    event_of = _events()
    if event_of is None:
        # Nobody knows this loop: the task that computes may be one of it, so nothing here may block.
        wait.give_up()
        return None
    try:
        while True:
            wake, woken = event_of()
            answer = wait.poll(wake)
            # For whom it waits, if that takes long.
            tell()
            if answer is not None:
                return answer[0]
            await woken()
    finally:
        wait.give_up()


def _events():
    """Returns what makes a pair of functions for the loop that runs: one wakes, from any thread; one is awaited."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        loop = asyncio.get_running_loop()
        return lambda: _asyncio_event(loop)
    trio = sys.modules.get("trio")
    if trio is not None:
        try:
            token = trio.lowlevel.current_trio_token()
        except RuntimeError:
            return None
        return lambda: _trio_event(trio, token)
    return None


def _asyncio_event(loop):
    future = loop.create_future()

    def wake():
        loop.call_soon_threadsafe(lambda: future.done() or future.set_result(None))

    async def woken():
        await future

    return wake, woken


def _trio_event(trio, token):
    event = trio.Event()
    return lambda: token.run_sync_soon(event.set, idempotent=True), event.wait
