"""Many threads at once: one computes, the others get it; nobody waits for ever."""

import concurrent.futures
import sys
import threading
import time

import percache
import pytest
from conftest import at_once


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


@pytest.mark.skipif(sys.version_info < (3, 11), reason="this Python counts calls of native functions as well")
def test_a_recursion_may_be_deep(cache):
    @cache
    def down(n):
        return n and down(n - 1) + 1

    assert sys.getrecursionlimit() <= 1000
    assert down(300) == 300


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
