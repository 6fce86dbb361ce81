"""percache beside joblib, diskcache, cachier, the original and functools, in one run.

All have their turns, one after the other, many times: what else the machine does falls on all of them alike, and the
ratios are what counts. The table has the median and the best of the turns.

    python bench.py DIRECTORY-OF-THE-ORIGINAL [ROUNDS]
"""

import functools
import importlib.util
import itertools
import logging
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import cachier
import diskcache
import joblib
import numpy
import percache

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
TEXT = "x" * 100
SIZE = 100_000_000 // 8


def small(n):
    return TEXT


def large(n):
    return numpy.arange(float(SIZE))


def original(directory):
    spec = importlib.util.spec_from_file_location("percache_original", pathlib.Path(directory) / "percache.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def memoizers(place, directory):
    """By name: what makes a function with a cache in `place` of one."""
    old = original(directory)
    # `dbm.sqlite3` and the like: whatever this Python has.
    yield "percache, memory", percache.Cache(place / "percache", describe=True)
    yield "percache, store", percache.Cache(place / "percache", memory=0)
    yield "percache, files", percache.Cache(place / "percache-files", memory=0, files=True)
    yield "percache, mmap", percache.Cache(place / "percache-mmap", mmap=True)
    yield "percache 0.4.4", old.Cache(str(place / "original"))
    yield "joblib", joblib.Memory(place / "joblib", verbose=0).cache
    yield "joblib, mmap", joblib.Memory(place / "joblib-mmap", verbose=0, mmap_mode="r").cache
    yield "diskcache", diskcache.Cache(str(place / "diskcache"), size_limit=1 << 34).memoize()
    yield "cachier", cachier.cachier(cache_dir=str(place / "cachier"))
    yield "functools.lru_cache", functools.lru_cache(None)


def timed(call, times):
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


fresh = itertools.count(1)


def prepare_hits(function):
    function(0)
    if isinstance(getattr(function, "cache", None), percache.Cache):
        # Otherwise it is found among what is still to be written.
        function.cache.sync()
    function(0)


def hits_of_small(function):
    times = 2000 if timed(lambda: function(0), 20) < 5e-5 else 100
    return timed(lambda: function(0), times)


def misses_of_small(function):
    return timed(lambda: function(next(fresh)), 40)


def hit_of_large(function):
    return timed(lambda: function(0), 1)


def miss_of_large(function):
    return timed(lambda: function(next(fresh)), 1)


#: What is measured: name, function, what is done before, one turn, number of turns, unit.
CASES = [
    ("hit, 100 bytes", small, prepare_hits, hits_of_small, 7, "µs", 1e6),
    ("miss, 100 bytes", small, None, misses_of_small, 7, "µs", 1e6),
    ("hit, 100 MB", large, prepare_hits, hit_of_large, 9, "ms", 1e3),
    ("miss, 100 MB", large, None, miss_of_large, 2, "ms", 1e3),
]
BESIDE = "numpy.load"


def loading(place):
    """What numpy itself does for the same array."""
    file = place / "array.npy"
    numpy.save(file, large(0))
    yield BESIDE, lambda n: numpy.load(file)
    yield "numpy.load, mmap", lambda n: numpy.load(file, mmap_mode="r")


def imports():
    """The processor's time, for what else runs is most of the other."""
    found = {}
    for name in ("percache", "joblib", "diskcache", "cachier"):
        command = [
            sys.executable,
            "-c",
            f"import time; t = time.process_time(); import {name}; print(time.process_time() - t)",
        ]
        found[name] = min(float(subprocess.run(command, capture_output=True, text=True).stdout) for _ in range(10))
    return found


def functions_of(case, function, with_name, place):
    """The function with each cache, by name."""
    for name, memoize in with_name:
        if function is large and name == "functools.lru_cache":
            continue
        named = function
        if name == "cachier":
            # It tells functions by their names alone.
            named = functools.wraps(function)(lambda n: function(n))
        yield name, memoize(named)
    if case == "hit, 100 MB":
        yield from loading(place)


def measure(place, directory, found):
    """One round: in each turn of a case all are measured, one after the other."""
    with_name = list(memoizers(place, directory))
    for case, function, prepare, turn, turns, _, _ in CASES:
        functions = list(functions_of(case, function, with_name, place))
        for name, memoized in functions:
            if prepare is not None and not name.startswith(BESIDE):
                prepare(memoized)
        # What was written before is not written while something else is measured.
        os.sync()
        for _ in range(turns):
            for name, memoized in functions:
                found.setdefault((case, name), []).append(turn(memoized))


def main(directory, rounds):
    base = pathlib.Path(tempfile.mkdtemp(prefix="percache-bench-"))
    found = {}
    try:
        for number in range(rounds):
            place = base / str(number)
            place.mkdir()
            measure(place, directory, found)
            shutil.rmtree(place, ignore_errors=True)
        show(found)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def show(found):
    cases = [(case, unit, factor) for case, _, _, _, _, unit, factor in CASES]
    names = list(dict.fromkeys(name for _, name in found))
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors, load {load}; median (best) of all turns")
    print(f"{'':22}" + "".join(f"{case + ' [' + unit + ']':>24}" for case, unit, _ in cases))
    for name in names:
        cells = [cell(found.get((case, name)), factor) for case, _, factor in cases]
        print(f"{name:22}" + "".join(f"{text:>24}" for text in cells))
    beside = found["hit, 100 MB", BESIDE]
    print(f"hit, 100 MB, as a multiple of {BESIDE} in the same turn; median of {len(beside)} turns:")
    for name in names:
        taken = found.get(("hit, 100 MB", name))
        if taken and name != BESIDE:
            ratio = statistics.median(one / other for one, other in zip(taken, beside))
            print(f"  {name:22}{ratio:8.2f}")
    print("import, processor time: " + ", ".join(f"{name} {taken * 1e3:.1f} ms" for name, taken in imports().items()))


def cell(taken, factor):
    return f"{statistics.median(taken) * factor:.1f} ({min(taken) * factor:.1f})" if taken else ""


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3)
