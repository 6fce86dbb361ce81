"""What an object is, for keys."""

from collections.abc import Callable
from typing import Any, TypeVar, overload

_T = TypeVar("_T")
_F = TypeVar("_F", bound=Callable[[Any], Any])

class Unkeyable(TypeError):
    """An object has no value that could be told from others'."""

@overload
def register(type_: type[_T], function: Callable[[_T], Any]) -> Callable[[_T], Any]: ...
@overload
def register(type_: type[Any], function: None = None) -> Callable[[_F], _F]: ...
