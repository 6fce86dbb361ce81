"""Which calls are one: positional, keyword and default forms, methods, what is ignored, what has no value."""

import dataclasses
import functools
import itertools
import operator

import percache
import pytest
from percache import _percache


class Plain:
    def __init__(self, x):
        self.x = x


def key(value):
    return _percache.digest(value)


def test_an_object_with_nothing_but_an_address_is_never_a_hit_and_warns_once(cache, ran):
    @cache
    def f(x):
        return ran(x)

    plain = Plain(1)
    with pytest.warns(percache.CacheWarning, match=r"computed each time: an object of .*Plain has no value") as warned:
        for _ in range(3):
            f(plain)
    assert len(ran) == 3 and len(warned) == 1 and len(cache) == 0
    assert warned[0].filename == __file__, "it names a line of the user's"


def test_methods_key_on_their_object_by_value(cache, ran):
    @dataclasses.dataclass
    class Scale:
        factor: int

        @cache
        def apply(self, x):
            return ran(self.factor * x)

    assert [Scale(2).apply(3), Scale(3).apply(3), Scale(2).apply(x=3)] == [6, 9, 6]
    assert len(ran) == 2


def test_a_method_of_an_object_without_a_value_says_why(cache):
    class Model:
        @cache
        def fit(self):
            return 1

    with pytest.warns(percache.CacheWarning, match="Model has no value but its address: make the class a dataclass"):
        Model().fit()


def test_many_short_lived_objects_never_get_anothers_result(cache):
    class Short:
        def __init__(self, x):
            self.x = x

        @cache
        def get(self):
            return self.x

    with pytest.warns(percache.CacheWarning):
        assert [Short(n).get() for n in range(200)] == list(range(200))


def test_positional_keyword_and_default_forms_of_a_call_are_one(cache, ran):
    @cache
    def f(a, b=2, *, c=3):
        return ran((a, b, c))

    for call in [lambda: f(1), lambda: f(1, 2), lambda: f(a=1), lambda: f(b=2, a=1), lambda: f(1, c=3)]:
        assert call() == (1, 2, 3)
    assert len(ran) == 1
    assert f(1, 3) == (1, 3, 3) and f(1, c=4) == (1, 2, 4)
    assert len(ran) == 3


def test_arguments_never_run_into_each_other(cache, ran):
    @cache
    def f(*args, **kwargs):
        return ran((args, kwargs))

    calls = [((1, 23), {}), ((12, 3), {}), (("a", "b"), {}), (("ab",), {}), ((), {"a": 1}), ((("a", 1),), {})]
    calls += [((), {"a": 1, "b": 2}), (({"a": 1},), {}), (([],), {}), (((),), {})]
    for args, kwargs in itertools.chain(calls, calls):
        assert f(*args, **kwargs) == (args, kwargs)
    assert len(ran) == len(calls)


def test_the_order_of_keywords_does_not_count(cache, ran):
    @cache
    def f(**kwargs):
        return ran(sorted(kwargs))

    assert f(a=1, b=2) == f(b=2, a=1) and len(ran) == 1


def test_positional_only_names_can_be_keywords(cache, ran):
    @cache
    def f(a, /, **kwargs):
        return ran((a, kwargs))

    assert f(1, a=2) == (1, {"a": 2}) and f(2, a=1) == (2, {"a": 1})
    assert len(ran) == 2


def test_a_wrong_call_fails_as_it_does_without_a_cache(cache):
    @cache
    def f(a, *, b=1):
        return a

    for wrong in [lambda: f(), lambda: f(1, 2), lambda: f(1, a=1), lambda: f(1, c=2)]:
        with pytest.raises(TypeError, match=r"f\(\)"):
            wrong()


def test_ignored_arguments_do_not_count(cache, ran):
    @cache(ignore=["verbose", "kwargs"])
    def f(x, verbose=False, **kwargs):
        return ran(x)

    assert [f(1), f(1, True), f(1, verbose=object(), more=object())] == [1, 1, 1]
    assert len(ran) == 1


def test_ignoring_what_is_not_there_is_an_error(cache):
    with pytest.raises(ValueError, match=r"no such parameters, but x"):
        cache(lambda x: x, ignore=["y"])


def test_a_key_function_alone_counts(cache, ran):
    @cache(key=lambda connection, text: text.strip())
    def f(connection, text):
        return ran(text)

    assert [f(object(), " a"), f(object(), "a "), f(object(), "b")] == [" a", " a", "b"]


def test_a_type_can_be_registered_also_for_those_derived_from_it(cache, ran):
    class Connection:
        def __init__(self, host):
            self.host, self.socket = host, object()

    class Tls(Connection):
        pass

    @percache.key.register(Connection)
    def _(connection):
        return connection.host

    assert key(Connection("a")) == key(Connection("a")) != key(Connection("b"))
    assert key(Tls("a")) != key(Connection("a"))


def test_a_default_that_has_no_value_is_told_from_what_is_passed(cache, ran):
    missing = object()

    @cache
    def f(x, y=missing):
        return ran((x, y is missing))

    assert [f(1), f(1), f(1, 2), f(x=1)] == [(1, True), (1, True), (1, False), (1, True)]
    assert len(ran) == 2


def test_builtins_and_callables_are_memoized_too(cache):
    power = cache(pow)
    assert [power(2, 3), power(2, 3), power(2, exp=3)] == [8, 8, 8]
    assert cache.stats().hits == 1
    halved = cache(functools.partial(operator.mul, 0.5), name="halved")
    assert [halved(4), halved(4)] == [2.0, 2.0]
    assert cache.stats().hits == 2
