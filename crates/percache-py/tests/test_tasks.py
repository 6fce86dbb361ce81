"""Many tasks at once, on any event loop: one computes, the others await it."""

import asyncio
import sys

import pytest
from conftest import at_once


def test_of_many_tasks_one_computes(cache, ran):
    @cache
    async def f(x):
        await asyncio.sleep(0.1)
        return ran(x)

    async def main():
        return await asyncio.gather(*[f(1) for _ in range(50)])

    assert asyncio.iscoroutinefunction(f) if sys.version_info < (3, 14) else True
    assert asyncio.run(main()) == [1] * 50
    assert asyncio.run(f(1)) == 1, "in another loop"
    assert len(ran) == 1


def test_tasks_of_two_loops_compute_once(cache, ran):
    @cache
    async def f(x):
        await asyncio.sleep(0.2)
        return ran(x)

    assert at_once(4, lambda place: asyncio.run(f(1))) == [1] * 4
    assert len(ran) == 1


def test_a_coroutine_that_awaits_itself_computes(cache):
    @cache(ignore=["depth"])
    async def f(x, depth=0):
        await asyncio.sleep(0)
        return "deep" if depth == 3 else await f(x, depth + 1)

    assert asyncio.run(asyncio.wait_for(f(1), 5)) == "deep"


def test_a_coroutine_that_awaits_itself_in_another_task_computes(cache):
    @cache(ignore=["depth"])
    async def f(x, depth=0):
        if depth == 2:
            return "deep"
        return (await asyncio.gather(*[asyncio.create_task(f(x, depth + 1)) for _ in range(2)]))[0]

    assert asyncio.run(asyncio.wait_for(f(1), 20)) == "deep"


def test_a_task_that_is_cancelled_hands_on_to_exactly_one_other(cache, ran):
    running = []

    @cache
    async def f(x):
        running.append(1)
        most.append(len(running))
        try:
            await asyncio.sleep(0.1)
        finally:
            running.pop()
        return ran(x)

    most = []

    async def main():
        tasks = [asyncio.create_task(f(1)) for _ in range(10)]
        await asyncio.sleep(0.03)
        tasks[0].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    got = asyncio.run(main())
    assert isinstance(got[0], asyncio.CancelledError) and got[1:] == [1] * 9
    assert len(ran) == 1 and max(most) == 1


def test_a_task_that_waits_can_be_cancelled(cache, ran):
    @cache
    async def f(x):
        await asyncio.sleep(0.3)
        return ran(x)

    async def main():
        first = asyncio.create_task(f(1))
        await asyncio.sleep(0)
        second = asyncio.create_task(f(1))
        await asyncio.sleep(0.05)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        return await first

    assert asyncio.run(main()) == 1


def test_exceptions_pass_through_a_coroutine(cache):
    @cache
    async def f(x):
        try:
            await asyncio.wait_for(asyncio.sleep(10), 0.01)
        except asyncio.TimeoutError:
            raise KeyError(x) from None

    for _ in range(2):
        with pytest.raises(KeyError):
            asyncio.run(f(1))


def test_coroutines_are_refreshed_too(cache, ran):
    @cache
    async def f(x):
        return ran(x)

    async def main():
        return [await f(1), await f.refresh(1), await f.uncached(1), await f(x=1)]

    assert asyncio.run(main()) == [1] * 4 and len(ran) == 3


def test_trio_runs_coroutines_that_remember(cache, ran):
    trio = pytest.importorskip("trio")

    @cache
    async def f(x):
        await trio.sleep(0.1)
        return ran(x)

    got = []

    async def main():
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(one)

    async def one():
        got.append(await f(1))

    trio.run(main)
    assert got == [1] * 5 and len(ran) == 1
