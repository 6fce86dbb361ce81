"""percache: functions that remember their results, across runs of a program."""

import datetime
import os
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any, Generic, Literal, TypeVar, Union, overload

from typing_extensions import Concatenate, ParamSpec, Self

from . import key as key
from .key import Unkeyable as Unkeyable

_P = ParamSpec("_P")
_R = TypeVar("_R", covariant=True)
_S = TypeVar("_S")
_C = TypeVar("_C", bound=type)
_F = TypeVar("_F", bound=Union[classmethod[Any, Any, Any], staticmethod[Any, Any], property])
_Age = Union[float, str, datetime.timedelta, None]
_Size = Union[int, str, None]

__version__: str

class Error(Exception):
    """The cache cannot be used as it was asked to be."""

class CacheWarning(UserWarning):
    """A call is computed each time, and why."""

class CacheInfo(tuple[int, int, None, int, int, float]):
    @property
    def hits(self) -> int: ...
    @property
    def misses(self) -> int: ...
    @property
    def maxsize(self) -> None: ...
    @property
    def currsize(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def saved(self) -> float: ...

class Stats(tuple[int, Union[float, None], Union[float, None]]):
    results: int
    oldest: float | None
    latest: float | None
    bytes: int
    hits: int
    misses: int
    saved: float

class FunctionStats:
    name: str
    versions: int
    results: int
    bytes: int
    hits: int
    saved: float

class Entry:
    key: bytes
    function: str
    arguments: str | None
    created: float
    last_used: float
    size: int
    cost: float
    hits: int
    code: str | None

class Explanation:
    hit: bool
    function: str
    reasons: list[str]
    nearest: Entry | None
    def __bool__(self) -> bool: ...

class _Memoized(Generic[_P, _R]):
    __wrapped__: Callable[_P, _R]
    __name__: str
    __qualname__: str
    cache: Cache
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    # Nothing here tells a method from a static one. So an object is bound only if the first parameter takes it, and a
    # class only if that takes classes. `self` is a `Callable` because mypy does not connect that parameter of
    # `_Memoized[Concatenate[_S, _P2], _R]` with `instance`, and binds everything.
    # Of a class method; type checkers see no `refresh` and the like there.
    @overload
    def __get__(self: Callable[Concatenate[_C, _P2], _R], instance: object, owner: _C) -> Callable[_P2, _R]: ...
    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self: Callable[Concatenate[_S, _P2], _R], instance: _S, owner: type | None = None
    ) -> Callable[_P2, _R]: ...
    # Of a static method.
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Self: ...
    def refresh(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    def uncached(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    def remove(self, *args: _P.args, **kwargs: _P.kwargs) -> None: ...
    def cache_key(self, *args: _P.args, **kwargs: _P.kwargs) -> str: ...
    def cache_clear(self) -> int: ...
    def cache_info(self) -> CacheInfo: ...

_P2 = ParamSpec("_P2")

class _Decorator:
    @overload
    def __call__(self, function: _F) -> _F: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[_P, _R]) -> _Memoized[_P, _R]: ...

class Cache:
    path: str | None
    check: Callable[..., Any]
    def __init__(
        self,
        backend: str | os.PathLike[str] | MutableMapping[str, Any] | Any | None = None,
        repr: Callable[[Any], str] | None = None,
        livesync: bool = False,
        *,
        maxage: _Age = None,
        maxsize: _Size = None,
        memory: _Size = None,
        files: bool = False,
        mmap: bool = False,
        describe: bool = True,
        wait_timeout: _Age = None,
    ) -> None: ...
    @overload
    def __call__(self, function: _F) -> _F: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(
        self,
        function: Callable[_P, _R],
        *,
        maxage: _Age = None,
        ignore: Iterable[str] | str = (),
        key: Callable[..., Any] | None = None,
        version: Any = None,
        name: str | None = None,
        depends: Literal["auto", "own", "none"] | Iterable[Any] = "auto",
        keep_if: Callable[[Any], bool] | None = None,
        keep_errors: bool | _Age | type[Exception] | tuple[type[Exception], ...] = None,
        mmap: bool | None = None,
        describe: bool | None = None,
    ) -> _Memoized[_P, _R]: ...
    @overload
    def __call__(
        self,
        function: None = None,
        *,
        maxage: _Age = None,
        ignore: Iterable[str] | str = (),
        key: Callable[..., Any] | None = None,
        version: Any = None,
        name: str | None = None,
        depends: Literal["auto", "own", "none"] | Iterable[Any] = "auto",
        keep_if: Callable[[Any], bool] | None = None,
        keep_errors: bool | _Age | type[Exception] | tuple[type[Exception], ...] = None,
        mmap: bool | None = None,
        describe: bool | None = None,
    ) -> _Decorator: ...
    def clear(self, maxage: _Age = None, *, function: Callable[..., Any] | str | None = None) -> int: ...
    def shrink(self, maxsize: int | str) -> int: ...
    def stats(self) -> Stats: ...
    def functions(self) -> list[FunctionStats]: ...
    def entries(self) -> list[Entry]: ...
    def sync(self) -> None: ...
    def close(self) -> None: ...
    def __iter__(self) -> Iterator[Entry]: ...
    def __len__(self) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

def explain(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Explanation: ...
def import_shelve(path: str | os.PathLike[str], cache: Cache | str | os.PathLike[str] | None = None) -> int: ...
