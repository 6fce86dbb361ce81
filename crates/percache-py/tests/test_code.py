"""What a function is: its code, what it has captured, and its helpers. Anything else may change."""

import importlib
import sys
import textwrap
import types

import percache
import pytest
from percache import _code


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes a module of text, anew each time."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def make(text, name="changing", package=None):
        full = f"{package}.{name}" if package else name
        directory = tmp_path / package if package else tmp_path
        directory.mkdir(exist_ok=True)
        if package:
            (directory / "__init__.py").touch()
        (directory / f"{name}.py").write_text(textwrap.dedent(text))
        for known in [known for known in sys.modules if known.partition(".")[0] in (name, package)]:
            if known == full or known == package:
                del sys.modules[known]
        importlib.invalidate_caches()
        return importlib.import_module(full)

    return make


def identity(function, **options):
    return _code.identify(function, **options).prefix


def of(module, text, **options):
    return identity(module(text).f, **options)


BASE = """
    def f(x, y=2):
        return x + y
"""


@pytest.mark.parametrize(
    "change",
    [
        "\n\n\n    def f(x, y=2):\n        return x + y\n",
        "    # a comment\n    def f(x, y=2):\n        # another one\n\n        return (x + y)\n",
        "    def f(x: int, y: 'float' = 2) -> str:\n        return x + y\n",
        "    def f(x, y=2):\n        'It adds.'\n        return x + y\n" if sys.version_info < (3, 13) else BASE,
        "    def other(): pass\n    unrelated = 3\n    def f(x, y=2):\n        return x + y\n",
    ],
)
def test_lines_comments_and_annotations_do_not_count(module, change):
    assert of(module, BASE) == of(module, change)


@pytest.mark.parametrize(
    "change",
    [
        "def f(x, y=2):\n        return x - y",
        "def f(x, y=3):\n        return x + y",
        "def f(x, *, y=2):\n        return x + y",
        "def f(x, z=2):\n        return x + z",
        "def f(x, y=2):\n        return x + y + 1",
        "def f(x, y=2):\n        return x + len(y)",
        "def f(x, y=2):\n        return (lambda: x + y)()",
        "def f(x, y=2, *rest):\n        return x + y",
        "async def f(x, y=2):\n        return x + y",
    ],
)
def test_instructions_constants_names_and_defaults_count(module, change):
    assert of(module, BASE) != of(module, "    " + change + "\n")


def test_a_docstring_may_be_edited(module):
    assert of(module, "def f():\n 'One.'\n return 1\n") == of(module, "def f():\n 'Other.'\n return 1\n")
    assert of(module, "def f():\n return 'one'\n") != of(module, "def f():\n return 'other'\n")


def test_nested_functions_and_classes_count_without_their_lines(module):
    nested = "def f():\n    class C:\n        def g(self): return {}\n    return C().g()\n"
    assert of(module, nested.format(1)) != of(module, nested.format(2))
    assert of(module, nested.format(1)) == of(module, "\n\n\n" + nested.format(1))


HELPERS = """
    import math
    FACTOR = {factor}
    TABLE = (1, {entry})
    def deep(x):
        return x * {deep}
    def helper(x):
        return deep(x) * FACTOR + TABLE[1]
    class Model:
        scale = {scale}
        def apply(self, x):
            return helper(x) + {method} + self.scale
    def unrelated():
        return {unrelated}
    def f(x):
        return Model().apply(math.floor(x))
"""
VALUES = dict(factor=1, entry=2, deep=3, scale=4, method=5, unrelated=6)


@pytest.mark.parametrize("part", [part for part in VALUES if part != "unrelated"])
def test_an_edit_of_a_helper_is_a_miss_and_taken_back_a_hit(module, part):
    before = of(module, HELPERS.format(**VALUES))
    after = of(module, HELPERS.format(**{**VALUES, part: 77}))
    assert before != after
    assert of(module, HELPERS.format(**VALUES)) == before


def test_what_is_not_used_does_not_count(module):
    assert of(module, HELPERS.format(**VALUES)) == of(module, HELPERS.format(**{**VALUES, "unrelated": 77}))


def test_helpers_of_other_modules_of_the_package_count(module):
    import_forms = [
        ("from app.tools import helper", "helper(x)"),
        ("from app import tools", "tools.helper(x)"),
        ("import app.tools", "app.tools.helper(x)"),
        ("from .tools import helper as h", "h(x)"),
    ]
    for line, call in import_forms:
        found = []
        for constant in (1, 2, 1):
            tools = module(f"def helper(x):\n    return x + {constant}\n", "tools", "app")
            main = module(f"{line}\ndef f(x):\n    return {call}\n", "main", "app")
            sys.modules["app"].tools = tools
            found.append(identity(main.f))
        assert found[0] != found[1] and found[0] == found[2], line


def test_modules_of_other_packages_do_not_count(module):
    found = []
    for constant in (1, 2):
        module(f"def helper(x):\n    return x + {constant}\n", "tools", "foreign")
        main = module("from foreign.tools import helper\ndef f(x):\n    return helper(x)\n", "main", "app")
        found.append(identity(main.f))
    assert found[0] == found[1]


def test_depends_says_how_far_the_code_reaches(module):
    def all_of(text):
        f = module(text).f
        helper = module(text).helper
        return [identity(f, depends=depends) for depends in ("auto", "own", "none", [helper])]

    one, other = all_of(HELPERS.format(**VALUES)), all_of(HELPERS.format(**{**VALUES, "deep": 77}))
    assert [a == b for a, b in zip(one, other)] == [False, True, True, True]
    assert len(set(one)) == 4
    own = all_of(HELPERS.format(**VALUES).replace("math.floor", "math.ceil"))
    assert [a == b for a, b in zip(one, own)] == [False, False, True, False]


def test_depends_takes_values_too(module):
    f = module(BASE).f
    assert identity(f, depends=[{"a": 1}]) == identity(f, depends=[{"a": 1}]) != identity(f, depends=[{"a": 2}])


def test_a_version_counts(module):
    f = module(BASE).f
    assert len({identity(f), identity(f, version=1), identity(f, version="1"), identity(f, version=2)}) == 4


def test_functions_of_one_name_in_two_modules_are_apart(module):
    assert identity(module(BASE, "one").f) != identity(module(BASE, "other").f)


def test_two_lambdas_on_one_line_are_apart(cache):
    one, other = cache(lambda x: x + 1), cache(lambda x: x + 2)
    assert [one(1), other(1), one(1), other(1)] == [2, 3, 2, 3]
    assert cache.stats().misses == 2


def test_closures_with_different_captured_values_are_apart(cache):
    def scaled(factor, table):
        @cache
        def f(x):
            return x * factor + table["offset"]

        return f

    assert [scaled(2, {"offset": 0})(3), scaled(3, {"offset": 0})(3), scaled(2, {"offset": 1})(3)] == [6, 9, 7]
    assert scaled(2, {"offset": 0})(3) == 6
    assert (cache.stats().misses, cache.stats().hits) == (3, 1)


def test_a_captured_variable_that_is_bound_anew_is_noticed(cache):
    factor = 2

    @cache
    def f(x):
        return x * factor

    assert f(3) == 6
    factor = 3
    assert f(3) == 9


def test_a_captured_object_without_a_value_is_no_hit(cache):
    class Model:
        weight = 2

    model = Model()

    @cache
    def f(x):
        return x * model.weight

    with pytest.warns(percache.CacheWarning, match="it has captured `model`"):
        assert f(3) == 6
    model.weight = 3
    assert f(3) == 9


def test_state_that_the_function_sets_does_not_count(cache):
    calls = 0

    @cache
    def f(x):
        nonlocal calls
        calls += 1
        return x

    assert [f(1), f(1)] == [1, 1] and calls == 1


def test_a_global_that_the_function_sets_is_state_and_no_constant(module):
    text = "calls = {}\ndef f(x):\n    global calls\n    calls += 1\n    return x\n"
    assert of(module, text.format(0)) == of(module, text.format(5))


def test_a_function_that_was_replaced_in_a_notebook_is_noticed(cache):
    main = types.ModuleType("notebook")

    def cell(text):
        exec(textwrap.dedent(text), vars(main))

    vars(main).update(cache=cache, __name__="__main__")
    cell("def helper(x): return x + 1")
    cell("@cache\ndef f(x): return helper(x)")
    assert main.f(1) == 2
    cell("def helper(x): return x + 2")
    assert main.f(1) == 3
    cell("def helper(x): return x + 1")
    assert main.f(1) == 2
    assert (cache.stats().misses, cache.stats().hits) == (2, 1)


def test_code_that_was_replaced_in_place_is_noticed(cache, module):
    found = module("def helper(x):\n    return x + 1\ndef f(x):\n    return helper(x)\n")
    f = cache(found.f)
    assert f(1) == 2
    found.helper.__code__ = (lambda x: x + 2).__code__
    assert f(1) == 3


def test_a_helper_that_is_memoized_itself_counts(cache, module):
    def make(constant):
        found = module(f"def helper(x):\n    return x + {constant}\ndef f(x):\n    return helper(x)\n")
        found.helper = cache(found.helper)
        return identity(found.f)

    assert make(1) != make(2) and make(1) == make(1)


def test_a_helper_behind_a_decorator_counts(module):
    text = """
        import functools
        def decorate(f):
            @functools.wraps(f)
            def wrapper(*args): return f(*args)
            return wrapper
        @{}
        def helper(x): return x + {}
        def f(x): return helper(x)
    """
    for decorator in ("decorate", "functools.lru_cache(None)"):
        found = [of(module, text.format(decorator, constant)) for constant in (1, 2, 1)]
        assert found[0] != found[1] and found[0] == found[2], decorator


def test_functions_that_call_each_other_have_an_identity(module):
    text = """
        def even(n):
            return n == 0 or odd(n - 1)
        def odd(n):
            return n != {} and even(n - 1)
        def f(n):
            return even(n)
    """
    assert of(module, text.format(0)) == of(module, text.format(0)) != of(module, text.format(1))


def test_a_class_that_is_an_argument_counts_by_its_code(module):
    text = "class C:\n    def g(self): return {}\n"
    from percache import _percache

    assert _percache.digest(module(text.format(1)).C) != _percache.digest(module(text.format(2)).C)


def test_a_function_that_is_an_argument_counts_by_its_code(cache, ran, module):
    @cache
    def apply(function, x):
        return ran(function(x))

    text = "def f(x):\n    return x + {}\n"
    assert [apply(module(text.format(constant)).f, 1) for constant in (1, 2, 1)] == [2, 3, 2]
    assert len(ran) == 2


def test_two_scripts_of_one_name_are_apart(program):
    text = """
        import percache
        @percache.Cache({path!r})
        def f(x):
            print("computed")
            return x
        f(1)
    """
    cache = str(program.path / "cache")
    for directory in ("one", "other", "one"):
        program.write(f"{directory}/script.py", text.format(path=cache))
    assert program.again("one/script.py") == "computed"
    assert program.again("other/script.py") == "computed"
    assert program.again("one/script.py") == ""


def test_an_edit_beside_a_script_is_a_miss(program):
    program.write("helpers.py", "def helper(x): return x + 1\n")
    text = """
        import percache
        from helpers import helper
        @percache.Cache("c")
        def f(x):
            return helper(x)
        print(f(1), f.cache_info().misses)
    """
    assert program.run(text) == "2 1"
    assert program.again() == "2 0"
    program.write("helpers.py", "def helper(x): return x + 2  # longer, so that Python sees it\n")
    assert program.again() == "3 1"


def test_explain_says_what_has_changed(cache, module):
    def make(**values):
        return cache(module(HELPERS.format(**{**VALUES, **values})).f)

    f = make()
    assert str(percache.explain(f, 1)).endswith("no result of this function is stored")
    f(1), f(2)
    assert percache.explain(f, 1) and not percache.explain(f, 3)
    assert "the argument x is 3, and was " in str(percache.explain(f, 3))
    assert percache.explain(make(deep=77), 1).reasons == ["the code of changing.deep has changed"]
    assert "the constant changing.FACTOR has changed" in percache.explain(make(factor=77), 1).reasons
    assert cache.stats().misses == 2, "it computes nothing"


def test_explain_says_why_a_call_is_never_found(cache):
    assert "no value but its address" in str(percache.explain(cache(lambda x: x), object.__new__(type("T", (), {}))))


PARTIAL = """
    import functools

    ADDED = {added}

    def scaled(k, x):
        return k * x + ADDED

    doubled = functools.partial(scaled, {factor})

    def f(x):
        return doubled(x)
"""


def test_the_helper_of_a_partial_counts_and_what_it_is_given(module):
    before = of(module, PARTIAL.format(added=0, factor=2))
    assert of(module, PARTIAL.format(added=1, factor=2)) != before
    assert of(module, PARTIAL.format(added=0, factor=3)) != before
    assert of(module, PARTIAL.format(added=0, factor=2)) == before
    # An object without a value is told by its type.
    assert of(module, PARTIAL.format(added=0, factor="object().__str__"))


OBJECT = """
    class Model:
        def __init__(self, state):
            self.state = state

        def predict(self, x):
            return x + {added}

    model = Model({state})

    def f(x):
        return model.predict(x)
"""


def test_the_class_of_an_object_of_the_module_counts_and_not_its_state(module):
    before = of(module, OBJECT.format(added=1, state=1))
    assert of(module, OBJECT.format(added=2, state=1)) != before
    assert of(module, OBJECT.format(added=1, state=2)) == before


def test_the_values_of_an_enumeration_of_the_module_count(module):
    text = """
        import enum

        class Unit(enum.Enum):
            METRE = {metre}
            MILE = "mile"

        def f(x):
            return x * Unit.METRE.value
    """
    before = of(module, text.format(metre=1))
    assert of(module, text.format(metre=100)) != before
    assert of(module, text.format(metre=1)) == before
