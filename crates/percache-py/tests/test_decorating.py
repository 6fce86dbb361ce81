"""What a decorated function is: what it was, on functions and methods of all kinds, with other decorators."""

import functools
import inspect
import pickle

import percache
import pytest


def test_generators_are_an_error_when_they_are_decorated(cache):
    def rows():
        yield 1

    async def more():
        yield 1

    for function in (rows, more):
        with pytest.raises(TypeError, match="is a generator"):
            cache(function)


def test_a_decorated_function_is_what_it_was(cache):
    def f(a: int, *, b: str = "x") -> float:
        """Says something."""

    g = cache(f)
    assert inspect.signature(g) == inspect.signature(f)
    assert (g.__name__, g.__doc__, g.__module__, g.__wrapped__) == (f.__name__, f.__doc__, f.__module__, f)
    assert inspect.isfunction(g) and pickle.loads(pickle.dumps(decorated)) is decorated


@percache.Cache(":memory:")
def decorated(x):
    return x


def test_it_works_on_methods_of_all_kinds(cache, ran):
    class Table:
        def __init__(self, rows):
            self.rows = rows

        def __percache_key__(self):
            return self.rows

        @cache
        def method(self, x):
            return ran((self.rows, x))

        @classmethod
        @cache
        def below(cls, x):
            return ran((cls.__name__, x))

        @cache
        @classmethod
        def above(cls, x):
            return ran((cls.__name__, x))

        @cache
        @staticmethod
        def static(x):
            return ran(x)

        @property
        @cache
        def length(self):
            return ran(self.rows * 10)

        @cache
        @property
        def size(self):
            return ran(self.rows * 100)

    class Derived(Table):
        pass

    for _ in range(2):
        assert Table(1).method(2) == (1, 2) and Table(2).method(2) == (2, 2)
        assert Table.below(1) == ("Table", 1) and Derived.below(1) == ("Derived", 1)
        assert Table.above(1) == ("Table", 1) and Table(1).static(3) == 3
        assert Table(1).length == 10 and Table(1).size == 100
    assert len(ran) == 8


def test_it_stacks_with_other_decorators(cache, ran):
    def twice(f):
        @functools.wraps(f)
        def wrapper(x):
            return 2 * f(x)

        return wrapper

    @twice
    @cache
    @twice
    def f(x):
        return ran(x)

    assert [f(1), f(1)] == [4, 4] and len(ran) == 1
