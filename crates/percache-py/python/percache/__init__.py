"""percache: functions that remember their results, across runs of a program.

    import percache

    @percache.Cache()                  # the default cache of the user; or Cache("results.cache")
    def longtask(a, b):
        ...

The guide is docs/guide/python.md.
"""

from . import _percache, _result, key
from ._cache import Cache, Entry, FunctionStats, Stats
from ._explain import Explanation, explain
from ._function import CacheInfo, CacheWarning
from ._old import import_shelve
from ._percache import Error, __version__
from .key import Unkeyable

_percache.use_tools(key.describe, _result.pickle.loads, _result.load_other)

__all__ = [
    "Cache",
    "CacheInfo",
    "CacheWarning",
    "Entry",
    "Error",
    "Explanation",
    "FunctionStats",
    "Stats",
    "Unkeyable",
    "__version__",
    "explain",
    "import_shelve",
    "key",
]
