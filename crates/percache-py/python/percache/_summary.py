"""The text that tells people which call a result belongs to."""

import reprlib

from . import _percache

_LONGEST = 200
_reprs = reprlib.Repr()
_reprs.maxstring = _reprs.maxother = 60
_reprs.maxlong = 40


def summary(bound):
    """Returns the arguments as text, `a=1, b='x'`, of some 200 characters at most."""
    texts, length = [], 0
    for name, value in bound:
        text = _text(value)
        texts.append(f"{name}={text}" if name and name != "*" else text)
        length += len(texts[-1]) + 2
        if length > _LONGEST:
            break
    return _printable(", ".join(texts)[:_LONGEST])


def _text(value):
    shape = getattr(value, "shape", None)
    if shape is not None and hasattr(value, "dtype"):
        return f"{type(value).__name__}({value.dtype}, {tuple(shape)}){_mark(value)}"
    if shape is not None:
        return f"{type(value).__name__}{tuple(shape)}{_mark(value)}"
    try:
        text = _reprs.repr(value)
    except Exception:
        text = type(value).__name__
    # What is left out is told apart by a digest.
    return text + _mark(value) if "..." in text or " at 0x" in text else text


def _mark(value):
    try:
        return "#" + _percache.digest(value).hex()[:8]
    except Exception:
        return ""


def _printable(text):
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
