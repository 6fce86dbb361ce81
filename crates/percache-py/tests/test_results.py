"""What is kept of a result, and what a call returns when that cannot be read any more."""

import os
import pathlib
import threading
import time

import percache
import pytest


class Unpicklable:
    def __reduce__(self):
        raise TypeError("not this one")


class Fragile:
    """Loads only as long as its class wants to."""

    loads = True

    def __setstate__(self, state):
        if not Fragile.loads:
            raise ValueError("of an older version")
        self.__dict__ = state

    def __getstate__(self):
        return {"x": 1}


def files(cache):
    return [file for file in pathlib.Path(cache.path, "attachments").rglob("*") if file.is_file()]


@pytest.mark.parametrize(
    "value", [None, 0, "text", b"bytes" * 10_000, "x" * 3_000_000, [1, {"a": (2, {3})}], bytearray(b"x"), 1.5, ...]
)
def test_results_come_back_as_they_were(path, ran, value):
    for _ in range(2):
        with percache.Cache(path) as cache:

            @cache
            def f():
                return ran(value)

            for _ in range(2):
                found = f()
                assert found == value and type(found) is type(value)
    assert len(ran) == 1


def test_what_a_caller_changes_does_not_change_what_is_kept(cache, ran):
    @cache
    def f():
        return ran([1])

    f().append(2)
    f().append(3)
    assert f() == [1] and len(ran) == 1


def test_what_cannot_be_pickled_is_returned_all_the_same_and_said_once(cache, ran):
    @cache
    def f(x):
        return ran(Unpicklable())

    with pytest.warns(percache.CacheWarning, match="cannot be kept: not this one") as warned:
        assert isinstance(f(1), Unpicklable) and isinstance(f(1), Unpicklable) and isinstance(f(2), Unpicklable)
    assert len(warned) == 1 and len(ran) == 3 and warned[0].filename == __file__


def test_a_result_that_does_not_load_any_more_is_a_miss(path, ran):
    for loads in (True, False, True):
        Fragile.loads = loads
        with percache.Cache(path) as cache:

            @cache
            def f():
                return ran(Fragile())

            assert isinstance(f(), Fragile)
    Fragile.loads = True
    assert len(ran) == 2


def test_exceptions_are_not_kept(cache, ran):
    @cache
    def f(x):
        ran(x)
        raise ValueError(x)

    for _ in range(2):
        with pytest.raises(ValueError):
            f(1)
    assert len(ran) == 2


def test_exceptions_are_kept_on_request_for_some_time(cache, ran, caplog):
    @cache(keep_errors=0.5)
    def f(x):
        ran(x)
        raise ValueError("wrong", x)

    for _ in range(2):
        with pytest.raises(ValueError) as caught:
            f(1)
        assert caught.value.args == ("wrong", 1)
    assert len(ran) == 1
    time.sleep(0.6)
    with pytest.raises(ValueError):
        f(1)
    assert len(ran) == 2
    cache.sync()
    assert not caplog.records, "that it is over is nothing to be told"


def test_only_the_exceptions_that_were_named_are_kept(cache, ran):
    @cache(keep_errors=(KeyError, OSError))
    def f(error):
        ran(error)
        raise error("x")

    for error in (KeyError, ValueError, KeyError, ValueError):
        with pytest.raises(error):
            f(error)
    assert ran.calls == [KeyError, ValueError, ValueError]


def test_keep_if_says_what_is_kept(cache, ran):
    @cache(keep_if=lambda value: value is not None)
    def f(x):
        return ran(x)

    assert [f(None), f(None), f(1), f(1)] == [None, None, 1, 1]
    assert ran.calls == [None, None, 1]


def test_refresh_computes_and_uncached_leaves_the_cache_alone(cache):
    now = [1]

    @cache(depends="none")
    def f(x):
        return now[0]

    assert f(0) == 1
    now[0] = 2
    assert (f(0), f.uncached(0), f(0), f.refresh(0), f(0)) == (1, 2, 1, 2, 2)
    now[0] = 3
    f.remove(0)
    assert f(0) == 3


def test_info_and_clear_of_one_function(cache, ran):
    @cache
    def f(x):
        return ran(x)

    @cache
    def g(x):
        return x

    f(1), f(1), f(2), g(1)
    info = f.cache_info()
    assert (info.hits, info.misses, info.currsize, info[0]) == (1, 2, 2, 1)
    f.cache_clear()
    assert (f.cache_info().currsize, g.cache_info().currsize) == (0, 1)
    f(1)
    assert len(ran) == 3


# Arrays.


@pytest.fixture
def numpy():
    return pytest.importorskip("numpy")


@pytest.mark.parametrize("size", [10, 10_000, 1_000_000])
def test_arrays_come_back_and_can_be_written_to(path, ran, numpy, size):
    expected = numpy.arange(float(size))
    for _ in range(2):
        with percache.Cache(path) as cache:

            @cache
            def f():
                return ran({"a": expected.copy(), "b": [expected[:5], expected[::2]]})

            found = f()
            assert (found["a"] == expected).all() and (found["b"][1] == expected[::2]).all()
            found["a"][0] = -1
    assert len(ran) == 1


def test_a_large_array_lies_in_a_file_that_goes_with_its_result(cache, numpy):
    @cache
    def f(size):
        return numpy.zeros(size)

    f(1_000_000), f(10)
    assert len(files(cache)) == 1 and os.path.getsize(files(cache)[0]) >= 8_000_000
    assert cache.stats().bytes >= 8_000_000
    f.remove(1_000_000)
    assert files(cache) == []
    f(1_000_000)
    cache.clear()
    assert files(cache) == []
    f(1_000_000), f(10)
    cache.shrink(1000)
    assert files(cache) == [] and f.cache_info().currsize == 1


def test_a_large_array_is_mapped_on_request(path, numpy):
    for _ in range(2):
        with percache.Cache(path, mmap=True) as cache:

            @cache
            def f():
                return numpy.arange(1_000_000)

            f()
            found = f()
            assert not found.flags.writeable and (found == numpy.arange(1_000_000)).all()
            base = found
            while isinstance(base, numpy.ndarray):
                base = base.base
            assert isinstance(base, memoryview) and type(base.obj).__name__ == "mmap"
    percache.Cache(path).clear()
    assert files(cache) == []
    assert found[-1] == 999_999, "what is mapped stays when its file goes"


def test_a_result_can_be_mapped_that_was_kept_without(path, numpy, ran):
    for mmap in (False, True):
        with percache.Cache(path, mmap=mmap) as cache:

            @cache
            def f():
                return ran(numpy.ones(1_000_000))

            assert f().sum() == 1_000_000
    assert len(ran) == 1


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("damage", ["changed", "shorter", "gone"])
def test_a_damaged_file_of_an_array_is_a_miss(path, numpy, ran, damage, mmap):
    with percache.Cache(path) as cache:

        @cache(mmap=mmap)
        def f():
            return ran(numpy.ones(1_000_000))

        f()
        (file,) = files(cache)
        if damage == "changed" and mmap:
            pytest.skip("what is mapped is not read as a whole")
        content = bytearray(file.read_bytes())
        if damage == "changed":
            content[5_000_000] ^= 1
        file.unlink() if damage == "gone" else file.write_bytes(content[: 1000 if damage == "shorter" else None])
        assert f().sum() == 1_000_000 and f().sum() == 1_000_000
    assert len(ran) == 2


def test_frames_come_back(path, ran):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": range(300_000), "b": 1.5, "c": "x"})
    for _ in range(2):
        with percache.Cache(path) as cache:

            @cache
            def f():
                return ran(frame)

            pandas.testing.assert_frame_equal(f(), frame)
    assert len(ran) == 1


def test_a_full_disk_costs_nothing_but_time(cache, numpy, ran, monkeypatch):
    from percache import _result

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_result, "_write", full)

    @cache
    def f():
        return ran(numpy.ones(1_000_000))

    with pytest.warns(percache.CacheWarning, match="No space left"):
        assert f().sum() == f().sum() == 1_000_000
    assert len(ran) == 2 and files(cache) == []


def test_a_mapping_keeps_arrays_too(ran, numpy):
    store = {}
    for _ in range(2):
        cache = percache.Cache(store)

        @cache
        def f():
            return ran(numpy.ones(1_000_000))

        assert f().sum() == 1_000_000
        cache.close()
    assert len(ran) == 1
    assert all(isinstance(key, str) and isinstance(value, bytes) for key, value in store.items())


def test_a_large_result_does_not_hold_up_other_threads(cache, numpy):
    @cache
    def f():
        return numpy.ones(20_000_000)

    f()
    ticks, stop = [], threading.Event()

    def tick():
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        start = time.perf_counter()
        f()
        end = time.perf_counter()
    finally:
        stop.set()
        thread.join()
    during = [when for when in ticks if start <= when <= end]
    assert len(during) >= min(5, (end - start) / 0.02), (len(during), end - start)


def test_pickles_of_a_later_version_are_a_miss(cache, ran):
    @cache
    def f():
        return ran(1)

    key, lead = f.__percache__.refresh_lead((), {})
    lead.finish(b"zsomething new", None, 0, None)
    assert f() == 1 and len(ran) == 1
