"""Taking over what percache 0.4.4 has stored: as it stored it, by its own code where that is at hand."""

import dbm
import hashlib
import os
import pickle
import shelve
import subprocess
import sys

import percache
import pytest


def original_key(name, *args, **kwargs):
    """As percache 0.4.4 made it."""
    text = "".join([name, *map(repr, args), *(f"{key}:{kwargs[key]!r}" for key in sorted(kwargs))])
    return hashlib.sha1(text.encode()).hexdigest()


def kinds():
    for name in ("dbm.dumb", "dbm.gnu", "dbm.ndbm", "dbm.sqlite3"):
        try:
            yield __import__(name, fromlist=["open"])
        except ImportError:
            pass


@pytest.fixture(params=list(kinds()), ids=lambda module: module.__name__)
def old(request, tmp_path, monkeypatch):
    """Makes an old cache at `path`, of results by key."""
    monkeypatch.setattr(dbm, "_defaultmod", request.param, raising=False)
    monkeypatch.setattr(dbm, "_modules", {**dbm._modules, request.param.__name__: request.param})

    def make(results, path=tmp_path / "old"):
        with shelve.open(str(path), protocol=-1) as shelf:
            for key, value in results.items():
                shelf[key] = value
                shelf[f"{key}:atime"] = 1.0
        return str(path)

    return make


def test_results_of_the_original_are_hits(old, tmp_path, ran):
    path = old(
        {
            original_key("add", 1, 2): 3,
            original_key("shout", "ä", loud=True): "Ä",
            original_key("shape", (1, [2.5]), {"k": b"v"}): [None],
        }
    )
    before = sorted(os.listdir(tmp_path))
    assert percache.import_shelve(path) == 3
    cache = percache.Cache(path)
    assert len(cache) == 3

    @cache
    def add(a, b):
        return ran("add")

    @cache
    def shout(text, loud=False):
        return ran("shout")

    @cache
    def shape(*values):
        return ran("shape")

    assert percache.explain(add, 1, 2) and not percache.explain(add, 2, 2)
    for _ in range(2):
        assert add(1, 2) == 3 and shout("ä", loud=True) == "Ä" and shape((1, [2.5]), {"k": b"v"}) == [None]
    assert not ran.calls and len(cache) == 3
    # Now they are results as all others: found in whatever way they are called.
    assert add(b=2, a=1) == 3 and not ran.calls
    assert add(2, 2) == "add"
    assert {name.replace("old.old", "old") for name in os.listdir(tmp_path) if name.startswith("old.old")} >= set(
        name for name in before if not name.endswith(("-wal", "-shm"))
    ), "the old files are there, under another name"
    cache.close()


def test_the_original_itself_finds_its_results_in_the_renamed_files(tmp_path):
    original = os.environ.get("PERCACHE_ORIGINAL")
    if not original:
        pytest.skip("PERCACHE_ORIGINAL does not say where percache 0.4.4 is")
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, importlib.util\n"
        f"spec = importlib.util.spec_from_file_location('old', {os.path.join(original, 'percache.py')!r})\n"
        "old = importlib.util.module_from_spec(spec); spec.loader.exec_module(old)\n"
        "cache = old.Cache(sys.argv[1])\n"
        "@cache\n"
        "def longtask(a, b, c=None):\n    print('computing')\n    return a + b\n"
        "print(longtask(1, 2), longtask('x', 'y', c=1.5)); cache.close()\n"
    )

    def run(path):
        return subprocess.run([sys.executable, program, path], capture_output=True, text=True, check=True).stdout

    path = str(tmp_path / "results")
    assert run(path) == "computing\ncomputing\n3 xy\n"
    with pytest.raises(percache.Error, match=r"percache\.import_shelve\('.*results'\)"):
        percache.Cache(path)
    assert percache.import_shelve(path) == 2
    assert run(path + ".old") == "3 xy\n"
    with percache.Cache(path) as cache:

        @cache
        def longtask(a, b, c=None):
            raise AssertionError("computing")

        # `longtask12` is the text of `longtask(12)` as well, which this function does not allow for.
        assert longtask(1, 2) == 3 and longtask("x", "y", c=1.5) == "xy"


def test_what_the_original_could_mix_up_is_computed(old, tmp_path, ran):
    import numpy

    array = numpy.arange(3.0)
    path = old(
        {
            original_key("f", 1, 23): "of another call",
            original_key("f", 1): "of another function",
            original_key("g", 12): "of another function",
            original_key("any", array): "not all of its digits",
            original_key("any", [1, 2]): "right",
        }
    )
    assert percache.import_shelve(path, tmp_path / "new") == 5
    cache = percache.Cache(tmp_path / "new")

    def define(name):
        def function(*args):
            return ran(f"computed by {name}")

        function.__name__ = function.__qualname__ = name
        return cache(function)

    f, g, g1, any_ = define("f"), define("g"), define("g1"), define("any")
    assert f(12, 3) == f(1, 23) == "computed by f"
    assert g(12) == "computed by g" and g1(2) == "computed by g1"
    assert any_(array) == "computed by any" and any_([1, 2]) == "right"
    cache.close()


def test_old_results_belong_to_the_code_that_asks_first(old, tmp_path, ran):
    path = old({original_key("f", number): "old" for number in (1, 2, 3)})
    percache.import_shelve(path, tmp_path / "new")

    def define(answer):
        with percache.Cache(tmp_path / "new") as cache:

            def f(x):
                return answer

            yield cache(f)

    for f in define("only asked about"):
        assert percache.explain(f, 1)
    for answer, call, expected in [("a", 1, "old"), ("edited", 2, "edited"), ("a", 3, "old")]:
        for f in define(answer):
            assert bool(percache.explain(f, call)) == (expected == "old")
            assert f(call) == expected
    with percache.Cache(tmp_path / "new") as cache:
        assert cache.clear(function="(percache 0.4)") == 1


def test_nothing_is_unpickled_until_it_is_asked_for(old, tmp_path, ran):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = old({original_key("f", 1): Trap(), original_key("f", 2): 2})
    assert percache.import_shelve(path, tmp_path / "new") == 2
    assert not (tmp_path / "sprung").exists()


def test_an_old_result_that_does_not_load_is_computed(old, tmp_path, ran):
    path = old({original_key("f", 1): 1})
    with dbm.open(path, "w") as shelf:
        shelf[original_key("f", 1)] = pickle.dumps(1)[:-3]
    percache.import_shelve(path, tmp_path / "new")
    with percache.Cache(tmp_path / "new") as cache:

        @cache
        def f(x):
            return ran("computed")

        assert f(1) == "computed"


def test_what_is_in_the_way_is_an_error_and_nothing_changes(old, tmp_path):
    path = old({original_key("f", 1): 1})
    (tmp_path / "old.old").write_text("mine")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(percache.Error, match="is in the way"):
        percache.import_shelve(path)
    assert sorted(os.listdir(tmp_path)) == before and (tmp_path / "old.old").read_text() == "mine"


def test_what_is_no_shelf_is_an_error_and_is_left_alone(tmp_path):
    with pytest.raises(percache.Error, match="there is no cache of percache 0.4 at"):
        percache.import_shelve(tmp_path / "none")
    (tmp_path / "text").write_text("something else\n" * 10)
    with pytest.raises(percache.Error, match="is no shelf"):
        percache.import_shelve(tmp_path / "text")
    assert os.listdir(tmp_path) == ["text"]
    with pytest.raises(percache.Error, match="a cache that has a path"):
        with shelve.open(str(tmp_path / "s")):
            pass
        percache.import_shelve(tmp_path / "s", percache.Cache(":memory:"))
