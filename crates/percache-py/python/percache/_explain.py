"""Says whether a call is a hit, and if not, what differs from the nearest call that is stored."""

import os
import time

#: Below the directory of a cache: of each code the digests of its parts.
_DIRECTORY = "code"
_noted = set()


def note(cache, identity):
    """Writes down what the code of a function consists of, once, for those who ask later what has changed."""
    if cache.path in (None, ":memory:") or identity is None or identity.digest is None:
        return
    about = (cache.path, identity.digest)
    if about in _noted:
        return
    _noted.add(about)
    path = os.path.join(cache.path, _DIRECTORY, identity.digest.hex())
    if os.path.exists(path):
        return
    new = f"{path}.{os.getpid()}.new"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(new, "w", encoding="utf-8") as file:
            file.writelines(f"{digest.hex()} {label}\n" for label, digest in identity.parts)
        os.replace(new, path)
    except OSError:
        # Then nobody is told what has changed.
        pass


def _parts(cache, code):
    try:
        with open(os.path.join(cache.path, _DIRECTORY, code), encoding="utf-8") as file:
            lines = [line.rstrip("\n").split(" ", 1) for line in file]
    except (OSError, TypeError, ValueError):
        return None
    return {line[1]: line[0] for line in lines if len(line) == 2}


class Explanation:
    """What `explain` found. It is true if the result is there; `reasons` says why, or why not."""

    __slots__ = ("hit", "function", "reasons", "nearest")

    def __init__(self, hit, function, reasons, nearest=None):
        self.hit = hit
        self.function = function
        self.reasons = reasons
        #: The stored result that was compared, if there was one.
        self.nearest = nearest

    def __bool__(self):
        return self.hit

    def __str__(self):
        lines = [f"{'hit' if self.hit else 'miss'}: {self.function}"]
        return "\n".join(lines + ["  " + reason for reason in self.reasons])

    __repr__ = __str__


def explain(function, /, *args, **kwargs):
    """Says whether this call would be found, and if not, what differs from the nearest one that is stored.

    Computes nothing.
    """
    memoized = getattr(function, "__percache__", None)
    if memoized is None:
        raise TypeError(f"explain(function, *args): {function!r} was not decorated by a cache")
    try:
        key = memoized.memo.key(args, kwargs)
    except (TypeError, ValueError) as error:
        return Explanation(False, memoized.name, [f"it is computed each time: {error}"])
    imported = memoized.cache._imported
    if imported is not None and imported.result(memoized, args, kwargs, claim=False) is not None:
        return Explanation(True, memoized.name, ["percache 0.4 has stored it"])
    from ._cache import Entry

    entries = [Entry(values) for values in memoized.core.entries() if values["function"] == memoized.name]
    for entry in entries:
        if entry.key == key:
            return _found(memoized, entry)
    if not entries:
        return Explanation(False, memoized.name, ["no result of this function is stored"])
    return _missing(memoized, entries, args, kwargs)


def _found(memoized, entry):
    age = time.time() - entry.created
    limits = [limit for limit in (memoized.options.maxage, memoized.cache._maxage) if limit is not None]
    if limits and age >= limits[0]:
        return Explanation(False, memoized.name, [f"the result is {age:.0f} s old, more than its maxage"], entry)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.created))
    return Explanation(True, memoized.name, [f"computed at {when} in {entry.cost:.3g} s"], entry)


def _missing(memoized, entries, args, kwargs):
    code = memoized.memo.code()
    code = code and code.hex()
    arguments = memoized._summary(args, kwargs)
    same_code = [entry for entry in entries if entry.code == code]
    same_call = [entry for entry in entries if entry.code != code and entry.arguments == arguments]
    if same_call:
        return Explanation(False, memoized.name, _changes(memoized, same_call[0].code), same_call[0])
    if same_code:
        nearest = max(same_code, key=lambda entry: _likeness(entry.arguments, arguments))
        return Explanation(False, memoized.name, _differences(nearest.arguments, arguments), nearest)
    reasons = _changes(memoized, entries[0].code) + _differences(entries[0].arguments, arguments)
    return Explanation(False, memoized.name, reasons, entries[0])


def _changes(memoized, before):
    """What differs between stored code and that of now."""
    then = _parts(memoized.cache, before) if before else None
    if then is None:
        return ["the code is another one than that of the nearest stored result, or its `version`"]
    now = {label: digest.hex() for label, digest in memoized.identity.parts}
    reasons = [f"{label} has changed" for label in now if label in then and now[label] != then[label]]
    reasons += [f"{label} is new" for label in now if label not in then]
    reasons += [f"{label} does not count any more" for label in then if label not in now]
    return reasons or ["the version of Python or the `version` of the function is another one"]


def _split(arguments):
    """The arguments in a summary by name, as far as they can be told apart."""
    found, depth, start, quote = [], 0, 0, None
    for place, each in enumerate(arguments or ""):
        if quote:
            quote = None if each == quote and arguments[place - 1] != "\\" else quote
        elif each in "'\"":
            quote = each
        elif each in "([{":
            depth += 1
        elif each in ")]}":
            depth -= 1
        elif each == "," and depth == 0:
            found.append(arguments[start:place].strip())
            start = place + 1
    found.append((arguments or "")[start:].strip())
    return dict(each.split("=", 1) if "=" in each else (each, each) for each in found if each)


def _likeness(one, other):
    one, other = _split(one), _split(other)
    return sum(one.get(name) == text for name, text in other.items())


def _differences(before, now):
    then, now = _split(before), _split(now)
    reasons = [
        f"the argument {name} is {text}, and was {then[name]} in the nearest stored call"
        for name, text in now.items()
        if name in then and then[name] != text
    ]
    reasons += [f"the argument {name} is {text}, and was not there" for name, text in now.items() if name not in then]
    return reasons or ["an argument differs in what its text does not show"]
