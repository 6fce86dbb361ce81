"""What a function is: its code, what it has captured, and its helpers.

The code is what the compiler made of it: instructions, constants and names, without lines, file names, docstrings and
annotations. Helpers are the functions and classes that it refers to by the name of a global variable, in its own
package, and theirs. Constants of its module (numbers, text, tuples of such) count as helpers do.
"""

import builtins
import sys
import threading
import types
import weakref

from . import _bytecode, _percache
from ._home import Home, full_name, is_installed, module_of, short_name
from .key import Unkeyable, module_name, name_of

_VERSION = (sys.implementation.name,) + tuple(sys.version_info[:2])
#: Attributes of classes that say nothing of what they do.
_SKIPPED = frozenset(
    "__module__ __qualname__ __doc__ __dict__ __weakref__ __annotations__ __annotate__ __annotate_func__ "
    "__firstlineno__ __static_attributes__ __annotations_cache__".split()
)
_busy = threading.local()


class Identity:
    """What a function is at the moment."""

    __slots__ = ("name", "digest", "prefix", "watched", "parts")

    def __init__(self, name, digest, prefix, watched, parts):
        self.name = name
        #: SHA-1 of the code, or None.
        self.digest = digest
        #: All that counts before the arguments.
        self.prefix = prefix
        #: Where to look whether it is still so: `(dict or object, name, None or (value,))`.
        self.watched = watched
        #: Label and SHA-1 of each part of the code, for people who ask what has changed.
        self.parts = parts


def identify(function, name=None, version=None, depends="auto"):
    """Returns the `Identity` of a function; raises `Unkeyable` if it has captured something without a value."""
    module = None if name else module_of(function)
    known_as = name or full_name(function)
    if depends == "none":
        parts, watched, digest = [], [], None
    elif isinstance(function, types.MethodType) or function_of(function) is None:
        # A builtin, a partial, an object that can be called: what its value is, tells what it does.
        parts, watched = [(f"the callable {known_as}", _percache.digest(function))], []
        digest = _percache.digest((_VERSION, parts))
    else:
        collected = _Collector(function_of(function), depends)
        parts, watched = collected.parts(), collected.watched
        digest = _percache.digest((_VERSION, parts))
    prefix = _percache.digest((name, module, None if name else short_name(function), version, digest))
    return Identity(known_as, digest, prefix, watched, parts)


class _Collector:
    """All that a function consists of."""

    def __init__(self, root, depends):
        self.root = root
        self.follows = depends == "auto"
        self.home = Home(root)
        #: Functions and classes in the order in which they were found.
        self.units = []
        self.places = {}
        self.watched = []
        #: Global variables that one of the functions sets: they are state, and no constants.
        self.stored = set()
        self.constants = []
        self.place_of(root)
        extra = [] if depends in ("auto", "own") else _as_list(depends)
        self.extra = [self.part(value, "depends") for value in extra]
        done = 0
        while done < len(self.units):
            unit = self.units[done]
            done += 1
            unit.describe(self)

    def parts(self):
        found = [("what it says that it depends on", _percache.digest(self.extra))] if self.extra else []
        for unit in self.units:
            found.extend((label, _percache.digest(described)) for label, described in unit.described)
        for names, name, value in self.constants:
            if (id(names), name) not in self.stored:
                label = f"the constant {module_name(names.get('__name__', '?'))}.{name}"
                if (label, value) not in found:
                    found.append((label, value))
        return found

    def place_of(self, value):
        """Returns the number of a function or class among those that count."""
        place = self.places.get(id(value))
        if place is None:
            place = self.places[id(value)] = len(self.units)
            self.units.append(_Class(value) if isinstance(value, type) else _Function(value))
        return place

    def part(self, value, what):
        """Returns what counts of a value that the function has: captured, a default, or what it says it depends on."""
        function = function_of(value)
        if function is not None:
            return ("code", self.place_of(function))
        if isinstance(value, type):
            if self.home.has(value.__module__):
                return ("code", self.place_of(value))
            return ("type",) + name_of(value)
        if type(value) is object:
            # A mark that is told from others by its name alone.
            return ("object",)
        try:
            return ("value", _percache.digest(value))
        except (TypeError, ValueError) as error:
            raise Unkeyable(f"{what}: {error}") from None

    def look_up(self, names, name, used):
        """Returns what a global variable is, as far as that counts."""
        value = names.get(name, _MISSING)
        if value is _MISSING:
            self.watched.append((names, name, None))
            return ("builtin", name) if hasattr(builtins, name) else ("missing", name)
        described = self.variable(value, names, name, used)
        self.watched.append((names, name, (value,)))
        return described

    def variable(self, value, names, name, used):
        function = function_of(value)
        if function is not None:
            if self.home.has(function.__module__):
                return ("code", self.place_of(function))
            return ("function", module_name(function.__module__), function.__qualname__)
        if isinstance(value, type):
            if self.home.has(value.__module__):
                return ("code", self.place_of(value))
            return ("type",) + name_of(value)
        if isinstance(value, types.ModuleType):
            return self.module(value, used)
        if _is_constant(value):
            self.constants.append((names, name, _percache.digest(value)))
        elif _is_partial(value):
            arguments = [*value.args, *sorted(value.keywords.items())]
            called = self.variable(value.func, names, name, used)
            return ("partial", called, [self.part_or_type(each, "an argument") for each in arguments])
        elif self.home.has(type(value).__module__):
            # What it can do, and not what is in it.
            return ("object", self.place_of(type(value)))
        return ("variable",)

    def part_or_type(self, value, what):
        """The same as `part`; of an object without a value, its type."""
        try:
            return self.part(value, what)
        except Unkeyable:
            return ("of type",) + name_of(type(value))

    def module(self, module, used):
        if not self.home.has(module.__name__):
            return ("module", module_name(module.__name__))
        names = vars(module)
        attributes = sorted(name for name in used if name in names)
        return (
            "module",
            module_name(module.__name__),
            [(name, self.look_up(names, name, used)) for name in attributes],
        )


class _Function:
    """A function among those that count."""

    def __init__(self, function):
        self.function = function
        self.label = f"{module_name(function.__module__)}.{short_name(function)}"
        self.described = None

    def describe(self, collector):
        function = self.function
        code = function.__code__
        names = function.__globals__
        collector.watched.append((function, "__code__", (code,)))
        codes = list(_bytecode.codes(code))
        used = {name for each in codes for name in each.co_names}
        read, stored = set(), set()
        for each in codes:
            reads, stores = _bytecode.global_names(each)
            read.update(reads)
            stored.update(stores)
        collector.stored.update((id(names), name) for name in stored)
        variables = []
        if collector.follows:
            variables = [(name, collector.look_up(names, name, used)) for name in sorted(read - stored)]
        # One without a value is named by its place; whoever passes another object is told that it has no value.
        defaults = [collector.part_or_type(value, "a default") for value in function.__defaults__ or ()]
        by_name = function.__kwdefaults__ or {}
        by_name = {name: collector.part_or_type(value, "a default") for name, value in by_name.items()}
        self.described = [(f"the code of {self.label}", _bytecode.describe(code, function.__doc__))]
        self.described.append((f"the defaults of {self.label}", (defaults, by_name)))
        self.described.append((f"what names mean in {self.label}", variables))
        for name, cell in self.cells():
            self.described.append((f"`{name}`, captured by {self.label}", self.captured(collector, name, cell)))

    def cells(self):
        return zip(self.function.__code__.co_freevars, self.function.__closure__ or ())

    def captured(self, collector, name, cell):
        uses = _bytecode.captured_uses(self.function.__code__, name)
        if uses == "set":
            # State, as a global variable that is set.
            return ("state",)
        try:
            value = cell.cell_contents
        except ValueError:
            collector.watched.append((cell, "cell_contents", None))
            return ("empty",)
        collector.watched.append((cell, "cell_contents", (value,)))
        if uses == "attributes are set":
            # Nothing of the object is read.
            return ("written",) + name_of(type(value))
        return collector.part(value, f"it has captured `{name}`")


class _Class:
    """A class among those that count: what its methods do."""

    def __init__(self, class_):
        self.class_ = class_
        self.label = ".".join(name_of(class_))
        self.described = None

    def describe(self, collector):
        class_ = self.class_
        bases = []
        for base in class_.__bases__:
            if collector.home.has(base.__module__):
                bases.append(("code", collector.place_of(base)))
            else:
                bases.append(("type",) + name_of(base))
        members = []
        for name, member in sorted(vars(class_).items()):
            if name in _SKIPPED:
                continue
            if isinstance(member, property):
                found = [function for function in (member.fget, member.fset, member.fdel) if function is not None]
            else:
                found = [member]
            for each in found:
                function = function_of(getattr(each, "__func__", each))
                if function is not None:
                    members.append((name, type(member).__name__, collector.place_of(function)))
                elif _is_constant(each):
                    members.append((name, "constant", _percache.digest(each)))
        for name, member in getattr(class_, "_member_map_", {}).items():
            # Of an enumeration.
            if _is_constant(member._value_):
                members.append((name, "member", _percache.digest(member._value_)))
        self.described = [(f"the class {self.label}", (name_of(class_)[1], bases, members))]


_MISSING = object()


def function_of(value):
    """Returns the function that a value is or wraps, if it is one that was written in Python."""
    for _ in range(100):
        memoized = getattr(value, "__percache__", None) if isinstance(value, types.FunctionType) else None
        if memoized is not None:
            value = memoized.function
        elif isinstance(value, types.FunctionType):
            return value
        elif isinstance(value, types.MethodType):
            value = value.__func__
        elif callable(value) and hasattr(type(value), "cache_info") and hasattr(value, "__wrapped__"):
            # functools.lru_cache.
            value = value.__wrapped__
        else:
            return None
    return None


def _is_constant(value, depth=0):
    if value is None or value is Ellipsis or type(value) in (bool, int, float, complex, str, bytes):
        return True
    return type(value) in (tuple, frozenset) and depth < 20 and all(_is_constant(each, depth + 1) for each in value)


def _is_partial(value):
    return type(value).__module__ == "functools" and type(value).__name__ == "partial"


def _as_list(depends):
    if isinstance(depends, (str, bytes)) or not hasattr(depends, "__iter__"):
        raise ValueError(f'depends={depends!r}: "auto", "own", "none", or a list of functions and values')
    return list(depends)


_known_functions = weakref.WeakKeyDictionary()


def describe_function(function):
    """Returns what a function is that is an argument."""
    function = function_of(function) or function
    active = _busy.__dict__.setdefault("functions", set())
    if id(function) in active:
        return ("itself", short_name(function))
    known = _known_functions.get(function)
    if known is None or not is_as_it_was(known.watched):
        active.add(id(function))
        try:
            known = _known_functions[function] = identify(function)
        finally:
            active.discard(id(function))
    return (known.prefix,)


def is_as_it_was(watched):
    for place, name, value in watched:
        if isinstance(place, dict):
            now = place.get(name, _MISSING)
        else:
            now = getattr(place, name, _MISSING)
        if now is not (_MISSING if value is None else value[0]):
            return False
    return True


_known_classes = weakref.WeakKeyDictionary()


def digest_of_class(class_):
    """Returns the SHA-1 of a class's code, or None of one that is installed."""
    if is_installed(class_.__module__):
        return None
    known = _known_classes.get(class_)
    if known is None:
        active = _busy.__dict__.setdefault("classes", set())
        if class_ in active:
            return None
        active.add(class_)
        try:
            known = _known_classes[class_] = _digest_of_class(class_)
        finally:
            active.discard(class_)
    return known


def _digest_of_class(class_):
    """Of a class that is an argument, its own methods count and those of its bases, without their helpers."""
    collector = object.__new__(_Collector)
    collector.root, collector.follows, collector.home = class_, False, Home(class_)
    collector.units, collector.places, collector.watched = [], {}, []
    collector.stored, collector.constants, collector.extra = set(), [], []
    collector.place_of(class_)
    done = 0
    while done < len(collector.units):
        try:
            collector.units[done].describe(collector)
        except Unkeyable:
            # A method that has captured something: its name must do.
            collector.units[done].described = [("method", collector.units[done].label)]
        done += 1
    return _percache.digest(collector.parts())
