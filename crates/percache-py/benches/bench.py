"""percache beside joblib, diskcache, cachier, the original and functools, in one run.

Each figure is the best of several rounds, and all have their turn in each round: what else the machine does falls on
all of them alike, and the ratios are what counts. `python bench.py DIRECTORY-OF-THE-ORIGINAL [ROUNDS]`.
"""

import functools
import importlib.util
import itertools
import logging
import os
import pathlib
import shutil
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


def hits_of_small(function):
    function(0)
    if isinstance(getattr(function, "cache", None), percache.Cache):
        # Otherwise it is found among what is still to be written.
        function.cache.sync()
    function(0)
    times = 2000 if timed(lambda: function(0), 20) < 5e-5 else 200
    return timed(lambda: function(0), times)


fresh = itertools.count(1)


def misses_of_small(function):
    return timed(lambda: function(next(fresh)), 200)


def hits_of_large(function):
    function(0)
    return min(timed(lambda: function(0), 1) for _ in range(3))


def misses_of_large(function):
    return timed(lambda: function(next(fresh)), 1)


CASES = [
    ("hit, 100 bytes", small, hits_of_small, "µs", 1e6),
    ("miss, 100 bytes", small, misses_of_small, "µs", 1e6),
    ("hit, 100 MB", large, hits_of_large, "ms", 1e3),
    ("miss, 100 MB", large, misses_of_large, "ms", 1e3),
]


def loading(place):
    """What numpy itself takes for the same array."""
    file = place / "array.npy"
    numpy.save(file, large(0))
    whole = min(timed(lambda: numpy.load(file), 1) for _ in range(5))
    mapped = min(timed(lambda: numpy.load(file, mmap_mode="r"), 1) for _ in range(5))
    return {"numpy.load": whole, "numpy.load, mmap": mapped}


def imports():
    found = {}
    for name in ("percache", "joblib", "diskcache", "cachier"):
        command = [
            sys.executable,
            "-c",
            f"import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)",
        ]
        found[name] = min(float(subprocess.run(command, capture_output=True, text=True).stdout) for _ in range(10))
    return found


def main(directory, rounds):
    base = pathlib.Path(tempfile.mkdtemp(prefix="percache-bench-"))
    found = {}
    try:
        for number in range(rounds):
            place = base / str(number)
            place.mkdir()
            with_name = list(memoizers(place, directory))
            for case, function, measure, _, _ in CASES:
                for name, memoize in with_name:
                    if function is large and name == "functools.lru_cache":
                        continue
                    named = (
                        functools.wraps(function)(lambda n, function=function: function(n))
                        if name == "cachier"
                        else function
                    )
                    taken = measure(memoize(named))
                    key = (case, name)
                    found[key] = min(taken, found.get(key, taken))
            for name, taken in loading(base).items():
                found["hit, 100 MB", name] = min(taken, found.get(("hit, 100 MB", name), taken))
            del with_name, memoize
            shutil.rmtree(place, ignore_errors=True)
        show(found)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def show(found):
    cases = [(case, unit, factor) for case, _, _, unit, factor in CASES]
    names = list(dict.fromkeys(name for _, name in found))
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors; the best of each case")
    print(f"{'':22}" + "".join(f"{case + ' [' + unit + ']':>24}" for case, unit, _ in cases))
    for name in names:
        cells = [f"{found[case, name] * factor:.1f}" if (case, name) in found else "" for case, _, factor in cases]
        print(f"{name:22}" + "".join(f"{cell:>24}" for cell in cells))
    print("import: " + ", ".join(f"{name} {taken * 1e3:.1f} ms" for name, taken in imports().items()))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3)
