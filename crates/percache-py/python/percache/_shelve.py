"""Taking over the results of percache 0.4 and earlier, which kept them in a shelve.

The original keyed a result by the SHA-1 of the function's name and of the `repr` of each argument, one behind the
other. So what it stored can be found by whoever knows a call, and nobody can tell from the file which function it
belongs to. Its results are therefore kept under the keys that they had. A call that is not found asks for the key
that the original would have made of it; if there is a result, that is kept as the result of this call, and its old
key goes.

What the original could mix up is not taken over: a call whose text may be that of another call, or an argument whose
`repr` is not its value. And since an edit is a change here, the old results of a name belong to the first function of
that name that asks, as it is then.
"""

import hashlib
import itertools
import os
import re
import shutil
import threading

from . import _percache
from ._cache import Cache
from ._old import DIRECTORY, ENDINGS, files, imported

#: What functions are called in the figures of a cache whose name nobody knows.
_NAME = "(percache 0.4)"
_KEY = re.compile(rb"[0-9a-f]{40}\Z")
_PICKLE = b"p"
#: What belongs to a shelve that is renamed: SQLite keeps a part of its data beside it.
_ALL_ENDINGS = (*ENDINGS, "-wal", "-shm", "-journal")


def import_shelve(path, cache):
    """Takes over the results of a shelf."""
    path = os.path.abspath(os.fspath(path))
    if not files(path):
        raise _percache.Error(f"there is no cache of percache 0.4 at {path!r}")
    if isinstance(cache, Cache):
        return _take_all(path, cache)
    if cache is not None:
        with Cache(cache) as opened:
            return _take_all(path, opened)
    _refuse_to_overwrite(path)
    making = path + ".importing"
    # What is there was left by an import that was killed.
    shutil.rmtree(making, ignore_errors=True)
    try:
        with Cache(making) as opened:
            count = _take_all(path, opened)
        _replace(path, making)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return count


def _refuse_to_overwrite(path):
    for there in [path + ".old" + ending for ending in _ALL_ENDINGS] + ([path] if os.path.isdir(path) else []):
        if os.path.lexists(there):
            raise _percache.Error(
                f"{there!r} is in the way: move it away, or say where to: percache.import_shelve({path!r}, cache)"
            )


def _replace(path, new):
    """Renames the old files, and gives the new directory their name; or leaves everything as it was."""
    renamed = []
    try:
        for ending in _ALL_ENDINGS:
            if os.path.isfile(path + ending):
                os.rename(path + ending, path + ".old" + ending)
                renamed.append(ending)
        os.rename(new, path)
    except OSError:
        for ending in renamed:
            os.rename(path + ".old" + ending, path + ending)
        raise


def _take_all(path, cache):
    if cache.path in (None, ":memory:"):
        raise _percache.Error("old results are taken over into a cache that has a path")
    taken = 0
    with _opened(path) as shelf:
        for key in shelf.keys():
            # Nothing is unpickled: that is done when a result is asked for.
            if _KEY.match(key):
                cache._core.put(_NAME, bytes.fromhex(key.decode()), _PICKLE + shelf[key])
                taken += 1
    os.makedirs(os.path.join(cache.path, DIRECTORY), mode=0o700, exist_ok=True)
    cache._core.sync()
    cache._imported = imported(cache.path)
    return taken


def _opened(path):
    import dbm

    kind = dbm.whichdb(path)
    if kind is None and os.path.isfile(path + ".db"):
        # The dbm of BSD and of macOS.
        kind = "dbm.ndbm"
    if not kind:
        raise _percache.Error(f"{path!r} is no shelf: no kind of dbm that this Python knows has made it")
    try:
        module = __import__(kind, fromlist=["open"])
    except ImportError:
        raise _percache.Error(
            f"{path!r} was made with {kind}, which this Python does not have: import it with one that has"
        ) from None
    try:
        return module.open(path, "r")
    except module.error as error:
        raise _percache.Error(f"{path!r} cannot be read: {error}") from None


# Finding what was taken over.


class Imported:
    """The results of percache 0.4 in a cache."""

    def __init__(self, directory):
        self._directory = directory
        self._owned = {}

    def key(self, memoized, args, kwargs):
        """Returns the key that the original would have made of a call; None if it could be that of another one."""
        name = getattr(memoized.function, "__name__", None)
        text_of = memoized.cache._repr
        if name is None:
            return None
        if text_of is None:
            if not all(_has_faithful_text(value) for value in itertools.chain(args, kwargs.values())):
                return None
            text_of = repr
        texts = [text_of(value) for value in args]
        texts += [f"{keyword}:{text_of(kwargs[keyword])}" for keyword in sorted(kwargs)]
        if _may_be_other_arguments(texts, len(args), memoized.function):
            return None
        text = "".join([name, *texts])
        # What is the text of a call of one function may be that of another one.
        if any(name != other and _may_be_call_of(other, text) for other in memoized.cache._function_names):
            return None
        return hashlib.sha1(text.encode("utf-8", "surrogatepass")).digest()

    def result(self, memoized, args, kwargs, claim=True):
        """Returns the key and the record that the original has left for a call, or None.

        With `claim`, all old results of this name belong to the function from now on, if they belong to none.
        """
        try:
            key = self.key(memoized, args, kwargs)
            record = None if key is None else memoized.core.get(key)
            return None if record is None or not self._owns(memoized, claim) else (key, record)
        except Exception:
            # Whatever `repr` or the file system says: the call is computed.
            return None

    def _owns(self, memoized, claim):
        """Returns whether the old results of this name are those of this function as it is now."""
        name, asks = memoized.function.__name__, memoized.identity.prefix.hex()
        path = os.path.join(self._directory, hashlib.sha1(name.encode("utf-8", "surrogatepass")).hexdigest())
        owner = self._owned.get(name) or _read(path)
        if owner is None and claim:
            owner = _claimed(path, asks)
        if owner is not None:
            self._owned[name] = owner
        return owner in (None, asks)


def _read(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _claimed(path, owner):
    """Writes down an owner, unless there is one. Returns the one that is there."""
    new = f"{path}.{os.getpid()}-{threading.get_ident()}.new"
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(owner)
    try:
        # Fails if another process was faster.
        os.link(new, path)
    except FileExistsError:
        pass
    except OSError:
        # A file system without links.
        os.replace(new, path)
        return owner
    os.unlink(new)
    return _read(path)


def _has_faithful_text(value, depth=0):
    """Returns whether the `repr` of a value is its value, as far as that can be told from its type."""
    kind = type(value)
    if value is None or kind in (bool, int, float, complex, str, bytes, bytearray, range):
        return True
    if kind in (tuple, list, set, frozenset):
        return depth < 50 and all(_has_faithful_text(each, depth + 1) for each in value)
    if kind is dict:
        return depth < 50 and all(_has_faithful_text(each, depth + 1) for pair in value.items() for each in pair)
    if any(hasattr(value, name) for name in ("dtype", "dtypes", "__array__")):
        # Arrays and frames show few of their digits.
        return False
    if kind.__repr__ is object.__repr__ or callable(value):
        return False
    text = repr(value)
    return " at 0x" not in text and "..." not in text


def _may_be_other_arguments(texts, count, function):
    """Returns whether numbers run together, as in `f(1, 23)`, which is the text of `f(12, 3)`."""
    pairs = [(one, other) for one, other in zip(texts, texts[1:]) if one[-1:].isalnum() and other[:1].isdigit()]
    if not pairs:
        return False
    code = getattr(function, "__code__", None)
    # With no more arguments than it must have, single digits are what they are.
    needed = 0 if code is None else code.co_argcount - len(function.__defaults__ or ())
    return count > needed or any(len(text) > 1 for pair in pairs for text in pair)


#: How the `repr` of a value can begin, or a keyword argument; or there is no argument.
_BEGIN = re.compile(r"""[-\d'"(\[{<]|b['"]|True|False|None|nan|inf|\w+[:(]|\Z""")


def _may_be_call_of(name, text):
    return text.startswith(name) and _BEGIN.match(text[len(name) :]) is not None
