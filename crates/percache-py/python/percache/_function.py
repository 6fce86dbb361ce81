"""A function that remembers: what the decorator makes of a function, and what a call does that is not a hit."""

import functools
import sys
import time
import types
import warnings

from . import _code, _explain, _forks, _home, _percache, _result
from ._units import seconds
from .key import Unkeyable

#: How often a stored result is looked at that does not load, before the function is run beside the cache.
_ATTEMPTS = 3
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200
_REST, _KEYWORDS = 0x04, 0x08


class CacheWarning(UserWarning):
    """A call is computed each time, and why."""


class CacheInfo(tuple):
    """As of `functools.lru_cache`: `hits` and `misses` of this process, `maxsize`, `currsize`; and what is stored.

    `bytes` is what the results take, `saved` the seconds that all hits of all processes have saved.
    """

    __slots__ = ()

    def __new__(cls, *values):
        return tuple.__new__(cls, values)

    hits = property(lambda self: self[0])
    misses = property(lambda self: self[1])
    maxsize = property(lambda self: self[2])
    currsize = property(lambda self: self[3])
    bytes = property(lambda self: self[4])
    saved = property(lambda self: self[5])

    def __repr__(self):
        names = ("hits", "misses", "maxsize", "currsize", "bytes", "saved")
        return "CacheInfo(" + ", ".join(f"{name}={value!r}" for name, value in zip(names, self)) + ")"


def tell():
    """Logs what the core has to say."""
    messages = _percache.messages()
    if not messages:
        return
    import logging

    logger = logging.getLogger("percache")
    for level, text in messages:
        logger.log(level, text[len("percache: ") :] if text.startswith("percache: ") else text)


class Memoized:
    """What a decorated function has as `__percache__`."""

    def __init__(self, cache, function, options):
        self.cache = cache
        self.core = cache._core
        self.function = function
        self.options = options
        self.name = options.name or _home.full_name(function)
        self.misses = 0
        self.identity = None
        self._warned = set()
        cache._function_names.add(getattr(function, "__name__", ""))
        self.memo = _percache.Memo(
            self.core,
            options.maxage,
            options.mmap,
            None if options.key else self._parameters(),
            self._key_function(),
            self._identify,
            self._miss,
            self._lead,
            self._unkeyable,
        )

    def __reduce__(self):
        # For those who pickle functions by value: a worker opens the same cache.
        return Memoized, (self.cache, self.function, self.options)

    # What the function is.

    def _identify(self):
        # Threads that begin at the same time must not see a captured list in two states.
        with _forks.lock:
            if self.identity is None or not _code.is_as_it_was(self.identity.watched):
                self.identity = self._identified()
            identity = self.identity
            return identity.name, identity.digest, identity.prefix, identity.watched

    def _identified(self):
        options = self.options
        return _code.identify(self.function, options.name, options.version, options.depends)

    def _key_function(self):
        key = self.options.key
        if key is not None:
            return lambda args, kwargs: key(*args, **kwargs)
        text = self.cache._repr
        if text is not None:
            # As the original had it: what the representation says is all that counts.
            return lambda args, kwargs: (
                [text(arg) for arg in args],
                {name: text(value) for name, value in kwargs.items()},
            )
        return None

    def _parameters(self):
        """Says which parameters the function has, as far as Python tells."""
        function, ignore = self.function, self.options.ignore
        if not isinstance(function, types.FunctionType):
            if ignore:
                raise ValueError(f"ignore={sorted(ignore)}: {self.name} is no function written in Python; use key=")
            return None
        code = function.__code__
        positional = code.co_argcount
        names = code.co_varnames
        named = names[: positional + code.co_kwonlyargcount]
        at = len(named)
        rest = keywords = None
        known = set(named)
        if code.co_flags & _REST:
            rest = names[at] not in ignore
            known.add(names[at])
            at += 1
        if code.co_flags & _KEYWORDS:
            keywords = names[at] not in ignore
            known.add(names[at])
        unknown = sorted(ignore - known)
        if unknown:
            raise ValueError(f"ignore={unknown}: {self.name} has no such parameters, but {', '.join(sorted(known))}")
        defaults = dict(zip(named[:positional][::-1], (function.__defaults__ or ())[::-1]))
        defaults.update(function.__kwdefaults__ or {})
        described = [
            (name, (self._default(name, defaults[name]),) if name in defaults else None, name not in ignore)
            for name in named
        ]
        return described, positional, code.co_posonlyargcount, rest, keywords

    @staticmethod
    def _default(name, value):
        if type(value) in (int, str, float, bool, type(None)):
            return value
        try:
            _percache.digest(value)
            return value
        except Exception:
            # `object()` and the like: the default is told from all that can be passed.
            return ("the default of", name)

    # Calls.

    def _miss(self, key, args, kwargs):
        """Returns `(None, value)`, of another one who computed it, or `(lead, None)`.

        Whoever called has `_lead` called then, and not this: a recursion is as deep as Python allows frames.
        """
        tell()
        answer = self.core.begin(self.memo, key)
        for _ in range(_ATTEMPTS):
            while isinstance(answer, _percache.Wait):
                answer = answer.block(tell)
            if isinstance(answer, _percache.Lead):
                loaded = None if self.cache._imported is None else self._take_over(answer, key, args, kwargs)
                return (answer, None) if loaded is None else (None, loaded[0])
            if answer is None:
                break
            loaded = self.memo.load(key, answer)
            if loaded is not None:
                return None, loaded[0]
            answer = self.core.begin(self.memo, key)
        return self.core.lead_anyway(self.memo, key), None

    def _lead(self, lead, key, args, kwargs):
        self.misses += 1
        try:
            start = time.perf_counter()
            value = lead.run(self.function, args, kwargs)
        except BaseException as error:
            self.failed(lead, error, args, kwargs)
            raise
        self.keep(lead, key, value, time.perf_counter() - start, args, kwargs)
        return value

    def _take_over(self, lead, key, args, kwargs):
        """Keeps what percache 0.4 has stored of this call as its result, and returns it in a tuple; or None."""
        found = self.cache._imported.result(self, args, kwargs)
        loaded = None if found is None else self.memo.load(found[0], found[1])
        if loaded is None:
            return None
        try:
            lead.finish(found[1], self._summary(args, kwargs), 0, 0.0)
            self.core.remove(found[0])
        except _percache.Error as error:
            self.warn(("old", found[0]), f"an old result of {self.name} cannot be taken over: {_told(error)}")
        return loaded

    def keep(self, lead, key, value, cost, args, kwargs):
        """Keeps a result, if it is one to be kept."""
        try:
            keep_if = self.options.keep_if
            if keep_if is not None and not keep_if(value):
                return
            record, attached = _result.dump(value, self.core.attachment(key), self.options.mmap)
            lead.finish(record, self._summary(args, kwargs), attached, cost)
            _explain.note(self.cache, self.identity)
        except Exception as error:
            self.warn(("result", type(value)), f"a result of {self.name} cannot be kept: {_told(error)}")
        finally:
            lead.give_up()

    def failed(self, lead, error, args, kwargs):
        """Keeps an exception, if exceptions are kept; otherwise one of those who wait goes on."""
        try:
            kept = self.options.keep_errors
            if kept is not None and isinstance(error, kept[0]):
                until = None if kept[1] is None else time.time() + kept[1]
                lead.finish(_result.dump_error(error, until), self._summary(args, kwargs), 0, None)
        except Exception as other:
            self.warn(("error", type(error)), f"an exception of {self.name} cannot be kept: {_told(other)}")
        finally:
            lead.give_up()

    def _summary(self, args, kwargs):
        if not self.options.describe:
            return None
        from . import _summary

        bound = self.memo.bound(args, kwargs)
        if bound is None:
            bound = [("", arg) for arg in args] + sorted(kwargs.items())
        return _summary.summary(bound)

    def _unkeyable(self, error, args, kwargs):
        self.warn_unkeyable(error)
        return self.function(*args, **kwargs)

    def warn_unkeyable(self, error):
        """Says once why calls are not cached; a wrong call is told by Python itself."""
        if isinstance(error, TypeError) and not isinstance(error, Unkeyable) and "these are not the arg" in str(error):
            return
        self.misses += 1
        hint = ""
        if isinstance(error, Unkeyable):
            hint = "; or leave the argument out with ignore=[...]"
        message = f"{self.name} is computed each time: {_told(error)}{hint}"
        self.warn(("key", str(error)), message)

    def warn(self, about, message):
        """Warns once."""
        if about not in self._warned:
            self._warned.add(about)
            warnings.warn(message, CacheWarning, stacklevel=_level_of_user())

    # What else can be done with a call.

    def refresh_lead(self, args, kwargs):
        """Returns the key of a call and a duty to compute it, whatever is stored."""
        key = self.memo.key(args, kwargs)
        return key, self.core.lead_anyway(self.memo, key)

    def info(self):
        """What is stored of the function."""
        rows = [row for row in self.core.functions() if row[0] == self.name]
        results, size, saved = (rows[0][2], rows[0][3], rows[0][5]) if rows else (0, 0, 0.0)
        return CacheInfo(self.memo.hits(), self.misses, None, results, size, saved)


def _level_of_user():
    """Returns the `stacklevel` for a warning of whoever calls this, so that it names a line of the user's."""
    frame, level = sys._getframe(1), 1
    while frame is not None and frame.f_globals.get("__package__") == __package__:
        frame, level = frame.f_back, level + 1
    return level


def _told(error):
    return str(error) or type(error).__name__


def memoize(cache, function, options):
    """Returns the function that remembers."""
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    flags = getattr(code, "co_flags", 0)
    if flags & (_GENERATOR | _ASYNC_GENERATOR):
        raise TypeError(
            f"{getattr(function, '__qualname__', function)} is a generator, which can be used once: "
            "let a function return a list, and cache that"
        )
    memoized = Memoized(cache, function, options)
    if flags & _COROUTINE:
        from . import _async

        wrapper = _async.wrapper(memoized)
    else:
        wrapper = _wrapper(memoized)
    try:
        functools.update_wrapper(wrapper, function)
    except AttributeError:
        wrapper.__wrapped__ = function
    wrapper.__percache__ = memoized
    wrapper.uncached = function
    wrapper.cache = cache
    wrapper.cache_clear = lambda: cache.clear(function=memoized.name)
    wrapper.cache_info = memoized.info
    wrapper.cache_key = lambda *args, **kwargs: memoized.memo.key(args, kwargs).hex()
    wrapper.remove = lambda *args, **kwargs: memoized.core.remove(memoized.memo.key(args, kwargs))
    return wrapper


def _wrapper(memoized):
    call = memoized.memo.call

    def wrapper(*args, **kwargs):
        return call(args, kwargs)

    def refresh(*args, **kwargs):
        try:
            key, lead = memoized.refresh_lead(args, kwargs)
        except (TypeError, ValueError) as error:
            return memoized._unkeyable(error, args, kwargs)
        return memoized._lead(lead, key, args, kwargs)

    wrapper.refresh = refresh
    return wrapper


def memo_of(memoized):
    return memoized.memo


class Options:
    """How the results of one function are kept."""

    def __init__(self, cache, maxage, ignore, key, version, name, depends, keep_if, keep_errors, mmap, describe):
        self.maxage = seconds(maxage)
        self.ignore = frozenset([ignore] if isinstance(ignore, str) else ignore)
        for what, value in (("key", key), ("keep_if", keep_if)):
            if value is not None and not callable(value):
                raise TypeError(f"{what} is a function, not {type(value).__name__}")
        if key is not None and self.ignore:
            raise ValueError("with key=, only what it returns counts: there is nothing to ignore")
        self.key = key
        self.version = version
        self.name = name
        if isinstance(depends, str) and depends not in ("auto", "own", "none"):
            raise ValueError(f'depends={depends!r}: "auto", "own", "none", or a list of functions and values')
        self.depends = depends
        self.keep_if = keep_if
        self.keep_errors = _kept_errors(keep_errors)
        self.mmap = cache._mmap if mmap is None else bool(mmap)
        self.describe = cache._describe if describe is None else bool(describe)
        _percache.digest(version)


def _kept_errors(keep):
    """Returns which exceptions are kept, and for how long."""
    if keep is None or keep is False:
        return None
    if keep is True:
        return Exception, None
    if isinstance(keep, type) and issubclass(keep, Exception):
        return keep, None
    if isinstance(keep, tuple) and keep and all(isinstance(each, type) for each in keep):
        return keep, None
    return Exception, seconds(keep, "keep_errors")
