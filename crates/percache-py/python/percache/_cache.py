"""A cache, as users open it."""

import atexit
import os
import time
import weakref

from . import _function, _home, _old, _percache
from ._mapping import Mapping
from ._units import seconds, size


class Stats(tuple):
    """What the original returned: the number of results, and when the one was used that was used longest ago, and the
    one that was used last, in seconds since the epoch; None if there is none. More of it has names.
    """

    def __new__(cls, results, oldest, latest, bytes, hits, misses, saved):
        self = tuple.__new__(cls, (results, oldest, latest))
        self.results, self.oldest, self.latest = results, oldest, latest
        #: What the results take.
        self.bytes = bytes
        #: Of this process, since it opened the cache.
        self.hits, self.misses = hits, misses
        #: Seconds that all hits of all processes have saved.
        self.saved = saved
        return self

    def __repr__(self):
        names = ("results", "oldest", "latest", "bytes", "hits", "misses", "saved")
        return "Stats(" + ", ".join(f"{name}={getattr(self, name)!r}" for name in names) + ")"


class FunctionStats:
    """What is stored of one function."""

    __slots__ = ("name", "versions", "results", "bytes", "hits", "saved")

    def __init__(self, *values):
        for name, value in zip(self.__slots__, values):
            setattr(self, name, value)

    def __repr__(self):
        return "FunctionStats(" + ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__) + ")"


class Entry:
    """A result without its value."""

    __slots__ = ("key", "function", "arguments", "created", "last_used", "size", "cost", "hits", "code")

    def __init__(self, values):
        for name in self.__slots__:
            setattr(self, name, values[name])

    def __repr__(self):
        return f"<{self.function}({self.arguments or '?'}): {self.size} bytes, took {self.cost:.3g} s>"


class Cache:
    """A persistent cache for the results of functions; and the decorator that has a function use it.

    `backend` is the path of a directory, which is made; a mapping, which gets text as keys and bytes as values, and
    whose `sync` and `close` are called if it has them; or None, for the default cache of the user. `":memory:"` lasts
    as long as the process.

    `repr` makes the text that tells an argument from others. Without one, the value of an argument counts, and its
    type.

    With `livesync`, each result is on disk before the function returns. Otherwise results are written within a second
    or so, and in any case by `sync`, by `close`, and when Python exits.
    """

    def __init__(
        self,
        backend=None,
        repr=None,
        livesync=False,
        *,
        maxage=None,
        maxsize=None,
        memory=None,
        files=False,
        mmap=False,
        describe=True,
        wait_timeout=None,
    ):
        if repr is not None and not callable(repr):
            raise TypeError(f"repr is a function, not {type(repr).__name__}")
        # The original had it as its default.
        self._repr = None if repr is _builtin_repr else repr
        self._names = {}
        self._function_names = set()
        self._mmap = bool(mmap)
        self._describe = bool(describe)
        self._maxage = seconds(maxage)
        kind, place, self.path = _place_of(backend, files)
        self._core = _percache.Core(
            kind,
            place,
            bool(livesync),
            self._maxage,
            size(maxsize),
            size(memory, "memory"),
            seconds(wait_timeout, "wait_timeout"),
            bool(describe),
        )
        #: What percache 0.4 has left here.
        self._imported = _old.imported(self.path) if kind in ("database", "files") else None
        options = dict(
            livesync=bool(livesync), maxage=self._maxage, maxsize=size(maxsize), memory=size(memory, "memory")
        )
        options.update(files=bool(files), mmap=self._mmap, describe=self._describe, repr=self._repr)
        options.update(wait_timeout=seconds(wait_timeout, "wait_timeout"))
        self._opened = (self.path, tuple(options.items())) if kind in ("database", "files") else None

    def __call__(
        self,
        function=None,
        *,
        maxage=None,
        ignore=(),
        key=None,
        version=None,
        name=None,
        depends="auto",
        keep_if=None,
        keep_errors=None,
        mmap=None,
        describe=None,
    ):
        """Has a function remember its results here. With options alone, returns a decorator."""
        options = _function.Options(
            self, maxage, ignore, key, version, name, depends, keep_if, keep_errors, mmap, describe
        )
        if function is None:
            return lambda function: self._decorate(function, options)
        return self._decorate(function, options)

    def _decorate(self, function, options):
        if isinstance(function, (classmethod, staticmethod)):
            return type(function)(self._decorate(function.__func__, options))
        if isinstance(function, property):
            return property(self._decorate(function.fget, options), function.fset, function.fdel, function.__doc__)
        if not callable(function):
            raise TypeError(
                f"a cache decorates functions, not {type(function).__name__}: options are given by name, "
                'as in @cache(maxage="7d")'
            )
        self._claim_name(function, options)
        return _function.memoize(self, function, options)

    def _claim_name(self, function, options):
        """Makes sure that a name belongs to one function, where nothing but the name tells it from others."""
        if options.depends != "none":
            return
        qualified = getattr(function, "__module__", None), getattr(function, "__qualname__", repr(function))
        if options.name is None and "<lambda>" in qualified[1]:
            raise ValueError('depends="none": a lambda has nothing then to tell it from others; give it a name=')
        name = options.name or _home.full_name(function)
        other = self._names.setdefault(name, qualified)
        if other != qualified:
            raise ValueError(
                f'depends="none": {name} is {".".join(map(str, other))} already, and nothing would tell '
                f"{'.'.join(map(str, qualified))} from it; give one of them another name="
            )

    #: As the original had it.
    check = __call__

    def clear(self, maxage=None, *, function=None):
        """Removes all results, or those that were neither written nor read for `maxage`; or those of one function.

        Returns their number. The function is one that was decorated, or its name as in `functions()`.
        """
        if function is not None:
            if maxage:
                raise ValueError("clear(maxage) is for the whole cache, clear(function=...) for all of one function")
            memoized = getattr(function, "__percache__", None)
            return self._core.clear_function(memoized.name if memoized is not None else function)[0]
        age = seconds(maxage)
        return self._core.clear(age or None)[0]

    def shrink(self, maxsize):
        """Removes the results that were used longest ago, until the others take no more. Returns their number."""
        return self._core.shrink(size(maxsize))[0]

    def stats(self):
        """Returns figures about the cache: `(results, oldest use, latest use)`, and more by name."""
        results, bytes_, hits, misses, oldest, latest = self._core.stats()
        now = time.time()
        saved = sum(row[5] for row in self._core.functions())
        when = [None if age is None else now - age for age in (oldest, latest)]
        return Stats(results, *when, bytes_, hits, misses, saved)

    def functions(self):
        """Returns figures about each function: name, versions of its code, results, bytes, hits, seconds saved."""
        return [FunctionStats(*row) for row in self._core.functions()]

    def entries(self):
        """Returns all results without their values, the one used last first."""
        return [Entry(values) for values in self._core.entries()]

    def __iter__(self):
        return iter(self.entries())

    def __len__(self):
        return self._core.stats()[0]

    def __bool__(self):
        return True

    def sync(self):
        """Makes everything permanent."""
        self._core.sync()
        _function.tell()

    def close(self):
        """Makes everything permanent. Calls of functions afterwards are computed, unless a result is in memory."""
        self._core.close()
        _function.tell()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"Cache({self.path!r})"

    def __reduce__(self):
        if self._opened is None:
            raise TypeError("only a cache that has a path can be pickled: a worker opens the same one")
        return _reopen, self._opened


_builtin_repr = repr
_reopened = weakref.WeakValueDictionary()


def _reopen(path, options):
    """Returns the cache of this process at a path; the first time, opens it."""
    cache = _reopened.get((path, options))
    if cache is None:
        cache = _reopened[path, options] = Cache(path, **dict(options))
    return cache


def _place_of(backend, files):
    """Returns the kind of a cache, where it is, and its path."""
    if backend is None:
        return "database", _percache.default_directory(), str(_percache.default_directory())
    if isinstance(backend, str) and backend == ":memory:":
        return "memory", None, ":memory:"
    if isinstance(backend, (str, os.PathLike)):
        if not os.fspath(backend):
            raise _percache.Error("the path of the cache is empty: give that of a directory")
        path = os.path.abspath(os.fspath(backend))
        found = _old.files(path)
        if found:
            raise _percache.Error(_old.message(os.fspath(backend), found))
        return ("files" if files else "database"), path, path
    if not all(hasattr(backend, name) for name in ("__getitem__", "__setitem__", "__delitem__", "__iter__")):
        raise TypeError(f"a cache is kept in a directory or in a mapping, not in {type(backend).__name__}")
    return "mapping", Mapping(backend), None


def _close_all():
    _percache.close_all()
    _function.tell()


atexit.register(_close_all)
