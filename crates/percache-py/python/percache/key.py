"""What an object is, for keys: what its value consists of, in terms of simpler objects.

The native half makes the key of a call from that (``src/memo.rs``).

Numbers, text, bytes, None, tuples, lists, dicts and sets are known to the native half. All other types come here. For a
type of your own, say what counts::

    @percache.key.register(Connection)
    def _(connection):
        return connection.host, connection.port

or give it a method `__percache_key__`. What an object of no value but its address is, nobody can say: it raises
`Unkeyable`, and calls that have it as an argument are computed each time.
"""

import copyreg
import sys
import threading
import types
import weakref

__all__ = ["Unkeyable", "register"]


class Unkeyable(TypeError):
    """An object has no value that could be told from others'."""


#: What to do with objects of a type and of those derived from it.
_registered = {}
#: The same for types of modules that need not be there, by their names.
_by_name = {}
#: What was found for a type.
_resolved = weakref.WeakKeyDictionary()
_busy = threading.local()


def register(type_, function=None):
    """Says what counts of the objects of a type, and of the types derived from it: `function` returns it.

    Without a function, returns a decorator.
    """
    if function is None:
        return lambda function: register(type_, function)
    if not isinstance(type_, type):
        raise TypeError(f"register(type, function): {type_!r} is no type")
    _registered[type_] = function
    _resolved.clear()
    return function


def describe(value):
    """Returns what an object consists of. The native half calls it."""
    type_ = type(value)
    resolved = _resolved.get(type_)
    if resolved is None:
        resolved = _resolved[type_] = _resolve(type_)
    return resolved(value)


def name_of(type_):
    """Returns how a type is called: its module, and its name without the functions that it is defined in."""
    return module_name(type_.__module__), type_.__qualname__.rpartition("<locals>.")[2]


def module_name(name):
    """Returns the name of a module: in a child that was spawned, the script has another one."""
    return "__main__" if name == "__mp_main__" else name


def _kind(type_):
    """Returns what is known of the type of an object: its name, and its code if it is not an installed one."""
    from . import _code

    return name_of(type_) + (_code.digest_of_class(type_),)


def _resolve(type_):
    # Has them register themselves.
    from . import _others  # noqa: F401

    for base in type_.__mro__:
        function = _registered.get(base)
        if function is not None:
            return lambda value: ("registered", _kind(type(value)), function(value))
        if "__percache_key__" in vars(base):
            return lambda value: ("own", _kind(type(value)), value.__percache_key__())
        function = _by_name.get((base.__module__.partition(".")[0], base.__name__))
        if function is not None:
            return function
    for applies, function in _KINDS:
        if applies(type_):
            return function
    if type_ in copyreg.dispatch_table or _defines(type_, ("__reduce_ex__", "__reduce__", "__getstate__")):
        return _by_pickling
    if _defines(type_, ("__eq__", "__repr__")):
        return _by_pickling_or_text
    return _without_value


def _defines(type_, names):
    return any(name in vars(base) for base in type_.__mro__ if base is not object for name in names)


def _without_value(value):
    type_ = type(value)
    name = f"{type_.__module__}.{type_.__qualname__}"
    raise Unkeyable(
        f"an object of {name} has no value but its address: make the class a dataclass, give it a method "
        f"`__percache_key__` or `__eq__`, or say percache.key.register({type_.__name__}, ...)"
    )


# Functions, types, modules.


def _function(value):
    from . import _code

    return ("function",) + _code.describe_function(value)


def _method(value):
    return ("method", value.__func__, value.__self__)


def _builtin(value):
    owner = value.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return ("builtin", value.__module__, value.__qualname__)
    return ("builtin method", value.__name__, owner)


def _type(value):
    return ("type",) + _kind(value)


def _module(value):
    return ("module", value.__name__)


def _partial(value):
    return ("partial", value.func, value.args, value.keywords)


# Values.


def _enum(value):
    return ("enum", _kind(type(value)), value.name, value.value)


def _namedtuple(value):
    return ("namedtuple", _kind(type(value)), value._fields, tuple(value))


def _dataclass(value):
    fields = type(value).__dataclass_fields__
    found = {name: getattr(value, name) for name, field in fields.items() if field.compare and hasattr(value, name)}
    return ("dataclass", _kind(type(value)), found)


def _attrs(value):
    fields = type(value).__attrs_attrs__
    return ("attrs", _kind(type(value)), {a.name: getattr(value, a.name) for a in fields if a.eq is not False})


def _pydantic(value):
    more = [getattr(value, name, None) for name in ("__pydantic_extra__", "__pydantic_private__")]
    return ("pydantic", _kind(type(value)), dict(value.__dict__), more)


def _path(value):
    return ("path", name_of(type(value)), str(value))


def _memoryview(value):
    return ("memoryview", value.format, value.shape, value.tobytes())


def _mappingproxy(value):
    return ("mappingproxy", dict(value))


def _is_enum(type_):
    enum = sys.modules.get("enum")
    return enum is not None and issubclass(type_, enum.Enum)


def _is_path(type_):
    pathlib = sys.modules.get("pathlib")
    return pathlib is not None and issubclass(type_, pathlib.PurePath)


def _is_partial(type_):
    functools = sys.modules.get("functools")
    return functools is not None and issubclass(type_, functools.partial)


def _is_pydantic(type_):
    return hasattr(type_, "__pydantic_fields__") or (hasattr(type_, "__fields__") and hasattr(type_, "__validators__"))


def _has(*names):
    return lambda type_: all(hasattr(type_, name) for name in names)


def _below(*types_):
    return lambda type_: issubclass(type_, types_)


_KINDS = [
    (_below(type), _type),
    (_below(types.FunctionType), _function),
    (_below(types.MethodType), _method),
    (_below(types.BuiltinFunctionType), _builtin),
    (_below(types.ModuleType), _module),
    (_below(memoryview), _memoryview),
    (_below(types.MappingProxyType), _mappingproxy),
    (_is_partial, _partial),
    (_is_enum, _enum),
    (_is_path, _path),
    (lambda type_: issubclass(type_, tuple) and hasattr(type_, "_fields"), _namedtuple),
    (_has("__dataclass_fields__"), _dataclass),
    (_has("__attrs_attrs__"), _attrs),
    (_is_pydantic, _pydantic),
]


def _by_pickling(value):
    """What pickle would store of it."""
    reduce = copyreg.dispatch_table.get(type(value))
    reduced = value.__reduce_ex__(4) if reduce is None else reduce(value)
    if isinstance(reduced, str):
        return ("global", type(value).__module__, reduced)
    function, args, state, items, pairs = (tuple(reduced) + (None,) * 3)[:5]
    if pairs is not None:
        pairs = list(pairs)
        if not hasattr(type(value), "move_to_end"):
            # Only an OrderedDict has an order that counts.
            pairs = dict(pairs)
    maker = (getattr(function, "__module__", None), getattr(function, "__qualname__", repr(function)))
    return ("reduced", _kind(type(value)), maker, args, state, None if items is None else list(items), pairs)


def _by_pickling_or_text(value):
    """All that is in it; or, if there is something without a value in it, the text that its class makes of it."""
    from . import _percache

    try:
        described = _by_pickling(value)
        _percache.digest(described)
        return described
    except Exception:
        text = repr(value)
    if hex(id(value))[2:].lstrip("0") in text.lower() or "..." in text or type(value).__repr__ is object.__repr__:
        _without_value(value)
    return ("text", _kind(type(value)), text)
