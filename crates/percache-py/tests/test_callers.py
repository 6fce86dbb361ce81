"""Many callers at once: threads, processes, tasks. One computes, the others get it; nobody waits for ever."""

import asyncio
import concurrent.futures
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time

import percache
import pytest


def at_once(count, call):
    """Calls from many threads at the same time; returns what each got."""
    barrier = threading.Barrier(count)

    def run(place):
        barrier.wait()
        try:
            return call(place)
        except Exception as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


# Threads.


def test_of_many_threads_one_computes(cache, ran):
    @cache
    def f(x):
        time.sleep(0.2)
        return ran(x)

    start = time.perf_counter()
    assert at_once(16, lambda place: f(1)) == [1] * 16
    assert len(ran) == 1 and time.perf_counter() - start < 5


def test_after_an_exception_exactly_one_other_goes_on(cache, ran):
    running = []

    @cache
    def f(x):
        running.append(1)
        most.append(len(running))
        time.sleep(0.05)
        running.pop()
        ran(x)
        if len(ran) < 4:
            raise ValueError("not yet")
        return x

    most = []
    got = at_once(12, lambda place: f(1))
    assert len(ran) == 4 and max(most) == 1, "a herd"
    assert sum(isinstance(one, ValueError) for one in got) == 3 and got.count(1) == 9


def test_threads_that_wait_do_not_hold_the_interpreter(cache):
    @cache
    def f():
        time.sleep(0.3)

    thread = threading.Thread(target=f)
    thread.start()
    waiting = threading.Thread(target=f)
    waiting.start()
    count = 0
    while thread.is_alive():
        count += 1
        time.sleep(0.001)
    waiting.join()
    assert count > 30


def test_eight_threads_get_the_right_results(cache):
    @cache
    def f(x):
        return x * x

    for got in at_once(8, lambda place: [f(n % 50) for n in range(place, place + 2000)]):
        assert isinstance(got, list)
    assert [f(n) for n in range(50)] == [n * n for n in range(50)]
    assert len(cache) == 50


def test_recursion_works(cache):
    @cache
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert fib(90) == 2880067194370816120
    assert cache.stats().misses == 91


def test_a_call_that_would_wait_for_itself_computes(cache):
    @cache(ignore=["depth"])
    def f(x, depth=0):
        return "deep" if depth == 3 else f(x, depth + 1)

    assert f(1) == "deep"


POOL = concurrent.futures.ThreadPoolExecutor(2)


def test_a_pool_inside_of_a_computation_does_not_hang(cache):
    @cache(ignore=["outer"])
    def f(x, outer=True):
        return sum(POOL.map(lambda n: f(n, False), [x, x])) if outer else 1

    start = time.perf_counter()
    assert f(1) == 2
    assert time.perf_counter() - start < 30


def test_ctrl_c_ends_a_wait(program):
    text = """
        import percache, signal, threading, time, os
        cache = percache.Cache(":memory:")
        @cache
        def f():
            time.sleep(20)
        threading.Thread(target=f, daemon=True).start()
        time.sleep(0.3)
        threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        start = time.time()
        try:
            f()
        except KeyboardInterrupt:
            print("stopped", time.time() - start < 5, flush=True)
        os._exit(0)
    """
    assert program.run(text) == "stopped True"


# Tasks.


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


# Processes.

SLOW = """
    import percache, sys, time, os
    cache = percache.Cache("c")
    @cache
    def f(x):
        print("computing", flush=True)
        time.sleep(float(sys.argv[1]))
        return x
    print(f(1))
"""


def test_of_many_processes_one_computes(program):
    program.write("slow.py", SLOW)
    processes = [program.start("slow.py", "1") for _ in range(4)]
    outs = [process.communicate(timeout=60)[0] for process in processes]
    assert sorted(outs) == ["1\n"] * 3 + ["computing\n1\n"]


def test_when_the_computing_process_is_killed_another_one_goes_on(program):
    program.write("slow.py", SLOW)
    first = program.start("slow.py", "30")
    assert first.stdout.readline() == "computing\n"
    others = [program.start("slow.py", "0.2") for _ in range(3)]
    time.sleep(1)
    first.kill()
    outs = [process.communicate(timeout=60)[0] for process in others]
    assert sorted(outs) == ["1\n"] * 2 + ["computing\n1\n"]


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be stopped here")
def test_a_stopped_process_is_not_waited_for(program):
    program.write("slow.py", SLOW)
    first = program.start("slow.py", "30")
    assert first.stdout.readline() == "computing\n"
    first.send_signal(signal.SIGSTOP)
    try:
        assert program.again("slow.py", "0") == "computing\n1"
    finally:
        first.kill()


def test_wait_timeout_limits_a_wait(program):
    program.write("slow.py", SLOW.replace('Cache("c")', 'Cache("c", wait_timeout=float(sys.argv[2]))'))
    first = program.start("slow.py", "30", "60")
    assert first.stdout.readline() == "computing\n"
    assert program.again("slow.py", "0", "0.5") == "computing\n1"
    first.kill()


def test_what_one_process_clears_others_do_not_give_out(cache, ran, program):
    @cache
    def f(x):
        return ran(x)

    f(1)
    cache.sync()
    program.run(f"import percache\nprint(percache.Cache({cache.path!r}).clear())")
    time.sleep(0.2)
    f(1)
    assert len(ran) == 2


def test_a_relative_path_stays_the_same_when_the_program_changes_its_directory(program):
    text = """
        import os, percache
        cache = percache.Cache("c")
        os.mkdir("elsewhere") if not os.path.isdir("elsewhere") else None
        os.chdir("elsewhere")
        @cache
        def f(x):
            print("computed")
            return x
        f(1)
        print(sorted(os.listdir()))
    """
    assert program.run(text) == "computed\n[]"
    assert program.again() == "[]"


MULTIPROCESSING = """
    import multiprocessing, os, sys, time
    import percache

    cache = percache.Cache("c")

    @cache
    def f(x):
        with open("ran", "a") as file:
            file.write(f"{x}\\n")
        time.sleep(0.05)
        return x * x

    def main():
        f(0)
        context = multiprocessing.get_context(sys.argv[1])
        with context.Pool(4) as pool:
            print(pool.map(f, [0, 1, 2, 3] * 5, chunksize=1))
            pool.close()
            pool.join()
        print([f(x) for x in range(4)])

    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_multiprocessing_computes_each_result_once(program, method):
    out = program.run(MULTIPROCESSING, method)
    assert out == f"{[0, 1, 4, 9] * 5}\n[0, 1, 4, 9]"
    assert sorted((program.path / "ran").read_text().split()) == ["0", "1", "2", "3"]
    assert program.again("program.py", method) == out
    assert len((program.path / "ran").read_text().split()) == 4, "nothing was lost at the end of a process"


def test_a_process_pool_executor_computes_each_result_once(program):
    text = MULTIPROCESSING.replace(
        "with context.Pool(4) as pool:", "with concurrent.futures.ProcessPoolExecutor(4, mp_context=context) as pool:"
    )
    text = text.replace("pool.map(f, [0, 1, 2, 3] * 5, chunksize=1)", "list(pool.map(f, [0, 1, 2, 3] * 5))")
    text = text.replace("pool.close()", "pass").replace("pool.join()", "pass").replace("import multi", "import concurrent.futures, multi")
    for method in multiprocessing.get_all_start_methods():
        shutil.rmtree(program.path / "c", ignore_errors=True)
        (program.path / "ran").unlink(missing_ok=True)
        assert program.run(text, method).endswith("[0, 1, 4, 9]")
        assert sorted((program.path / "ran").read_text().split()) == ["0", "1", "2", "3"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_uses_the_cache_and_its_parent_loses_nothing(program):
    text = """
        import os, percache, sys, threading, time
        cache = percache.Cache("c")
        @cache
        def f(x):
            print("computed", x, flush=True)
            return x
        f(1)
        child = os.fork()
        if child == 0:
            f(1), f(2)
            sys.exit()
        os.waitpid(child, 0)
        f(3)
    """
    # What the parent has not written yet is its own.
    assert sorted(set(program.run(text).split("\n"))) == ["computed 1", "computed 2", "computed 3"]
    assert program.again() == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_in_a_computation_leaves_both_a_result(program):
    text = """
        import os, percache, sys
        cache = percache.Cache("c")
        @cache
        def f(x):
            print("computed", flush=True)
            pid = os.fork()
            if pid:
                os.waitpid(pid, 0)
            return bool(pid) or x
        print(f(True))
    """
    assert sorted(program.run(text).split()) == ["True", "True", "computed"]
    assert program.again() == "True"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_that_was_forked_during_a_computation_does_not_hang(program):
    text = """
        import os, percache, sys, threading, time
        cache = percache.Cache("c")
        @cache
        def f(x):
            time.sleep(0.5)
            return x
        thread = threading.Thread(target=f, args=(1,))
        thread.start()
        time.sleep(0.1)
        child = os.fork()
        if child == 0:
            print("child", f(1), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        thread.join()
        print("parent", f(1))
    """
    assert program.run(text) == "child 1\nparent 1"


def test_a_shared_mapping_is_used_by_one_thread_at_a_time(ran):
    class Careful(dict):
        busy = False

        def __getitem__(self, key):
            assert not self.busy
            self.busy = True
            time.sleep(0.0001)
            self.busy = False
            return dict.__getitem__(self, key)

    cache = percache.Cache(Careful(), memory=0)

    @cache
    def f(x):
        return x

    for got in at_once(8, lambda place: [f(n % 10) for n in range(100)]):
        assert got == [n % 10 for n in range(100)]


def test_joblib_workers_share_results(program):
    pytest.importorskip("joblib")
    text = MULTIPROCESSING.replace("with context.Pool(4) as pool:", "import joblib\n        if True:")
    text = text.replace(
        "pool.map(f, [0, 1, 2, 3] * 5, chunksize=1)", "joblib.Parallel(4)(joblib.delayed(f)(x) for x in [0, 1, 2, 3] * 5)"
    )
    text = text.replace("pool.close()", "pass").replace("pool.join()", "pass")
    assert program.run(text, "spawn").endswith("[0, 1, 4, 9]")
    assert sorted((program.path / "ran").read_text().split()) == ["0", "1", "2", "3"]


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
