"""Looking after a cache: ages, sizes, figures, and the command that does it from outside."""

import datetime
import logging
import os
import pathlib
import subprocess
import sys
import time

import percache
import pytest


def test_results_that_are_too_old_are_computed_again(cache, ran):
    @cache(maxage="300ms")
    def f(x):
        return ran(x)

    f(1), f(1)
    assert len(ran) == 1
    time.sleep(0.4)
    f(1)
    assert len(ran) == 2


def test_a_function_may_have_another_maxage_than_its_cache(tmp_path, ran):
    cache = percache.Cache(tmp_path / "c", maxage=0.3)
    long, short = cache(lambda x: ran(x), maxage="1h"), cache(lambda x: (ran(x),))
    long(1), short(1)
    time.sleep(0.4)
    long(1), short(1)
    assert len(ran) == 3


@pytest.mark.parametrize(
    "age, seconds",
    [(3, 3), (1.5, 1.5), ("90s", 90), ("30m", 1800), ("12h", 43200), ("7d", 604800), ("2w", 1209600), ("250ms", 0.25)]
    + [(datetime.timedelta(hours=1), 3600), (None, None)],
)
def test_ages_are_numbers_text_or_timedeltas(age, seconds):
    from percache._units import seconds as read

    assert read(age) == seconds


@pytest.mark.parametrize("age", ["7 days", "d", "", "-1s", -1, float("nan"), True, []])
def test_a_wrong_age_is_an_error_that_says_what_to_write(cache, age):
    with pytest.raises((TypeError, ValueError), match="maxage"):
        cache(maxage=age)


def test_a_limit_holds_by_letting_go_of_what_was_used_longest_ago(tmp_path):
    cache = percache.Cache(tmp_path / "c", maxsize="100kB", memory=0)

    @cache
    def f(x):
        return os.urandom(10_000)

    for n in range(50):
        f(n)
    cache.sync()
    assert cache.stats().bytes <= 110_000 and len(cache) >= 5


def test_sizes_are_numbers_or_text(tmp_path):
    from percache._units import size

    assert [size("500MB"), size("2GiB"), size("1 kB"), size(5), size(None)] == [500_000_000, 2 << 30, 1000, 5, None]
    for wrong in ("much", "-1", 1.5, True):
        with pytest.raises((TypeError, ValueError), match="maxsize"):
            percache.Cache(tmp_path / "c", maxsize=wrong)


def test_figures_of_each_function_have_the_time_that_was_saved(cache):
    @cache
    def slow(x):
        time.sleep(0.1)
        return x

    @cache
    def other(x):
        return x

    slow(1), slow(1), slow(1), other(1)
    by_name = {function.name.rpartition(".")[2]: function for function in cache.functions()}
    assert set(by_name) == {"slow", "other"}
    assert (by_name["slow"].results, by_name["slow"].hits) == (1, 2)
    assert 0.2 <= by_name["slow"].saved < 1
    assert 0.2 <= cache.stats().saved < 1 and 0.2 <= slow.cache_info().saved < 1


def test_entries_say_what_the_arguments_were(cache):
    @cache
    def f(x, y="a", *rest, **more):
        return x

    f(1), f(2, "b\n", 3, z=[1] * 1000)
    entries = {entry.arguments: entry for entry in cache}
    assert "x=1, y='a', (), {}" in entries
    (long,) = [text for text in entries if text.startswith("x=2")]
    assert r"y='b\n', (3,), {'z': [1, 1," in long and len(long) <= 200
    entry = entries["x=1, y='a', (), {}"]
    assert entry.function == f.__percache__.name and entry.size > 0 and abs(entry.created - time.time()) < 10


def test_arguments_are_not_described_if_that_is_not_wanted(tmp_path):
    with percache.Cache(tmp_path / "c", describe=False) as cache:
        cache(lambda password: 1)("secret")
        assert [entry.arguments for entry in cache] == [None]
    with percache.Cache(tmp_path / "d") as cache:
        cache(lambda password: 1, describe=False)("secret")
        assert [entry.arguments for entry in cache] == [None]
        cache(lambda password, user: 2, ignore="password")("secret", "me")
        assert "user='me'" in [entry.arguments for entry in cache]
    for file in (tmp_path / "d").rglob("*"):
        assert file.is_dir() or b"secret" not in file.read_bytes()


def test_a_cache_of_files_is_found_as_what_it_is(tmp_path, ran):
    for files in (True, False):
        with percache.Cache(tmp_path / "c", files=files) as cache:

            @cache
            def f(x):
                return ran(x)

            f(1)
    assert len(ran) == 1
    assert percache.Cache(tmp_path / "c").stats().results == 1


def test_a_database_is_found_as_what_it_is(tmp_path, ran):
    if not percache._percache.DATABASE:
        (tmp_path / "c/db").mkdir(parents=True)
        (tmp_path / "c/db/CURRENT").write_text("MANIFEST-1")
        with pytest.raises(percache.Error, match="is a database, and this wheel has no RocksDB"):
            percache.Cache(tmp_path / "c")
        return
    for files in (False, True):
        with percache.Cache(tmp_path / "c", files=files) as cache:

            @cache
            def f(x):
                return ran(x)

            f(1)
    assert len(ran) == 1 and not (tmp_path / "c/files").exists()


def test_a_cache_in_memory_lasts_as_long_as_the_process(ran):
    cache = percache.Cache(":memory:")

    @cache
    def f(x):
        return ran(x)

    f(1), f(1)
    assert len(ran) == 1 and not pathlib.Path(":memory:").exists()


def test_after_close_functions_still_work(cache, ran):
    @cache
    def f(x):
        return ran(x)

    f(1)
    cache.close()
    assert [f(1), f(2)] == [1, 2]


def test_options_that_contradict_each_other_are_errors(cache):
    with pytest.raises(ValueError, match="nothing to ignore"):
        cache(key=lambda x: x, ignore=["x"])
    with pytest.raises(ValueError, match='"auto", "own", "none", or a list'):
        cache(depends="all")
    with pytest.raises(TypeError, match="keep_if is a function"):
        cache(keep_if=True)
    with pytest.raises(TypeError, match="options are given by name"):
        cache(3600)


def test_where_only_names_count_no_two_functions_have_one(cache):
    def one():
        @cache(depends="none")
        def f(x):
            return x

    def other():
        @cache(depends="none")
        def f(x):
            return x + 1

    one(), one()
    with pytest.raises(ValueError, match="give one of them another name="):
        other()
    with pytest.raises(ValueError, match="a lambda"):
        cache(lambda x: x, depends="none")
    cache(lambda x: x, depends="none", name="same")


def test_a_damaged_result_is_a_miss_that_is_logged(tmp_path, ran, caplog):
    with percache.Cache(tmp_path / "c", files=True) as cache:
        cache(lambda x: ran(x), name="f")(1)
    for file in (tmp_path / "c").rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        if content[:3] == b"pcf":
            file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with caplog.at_level(logging.WARNING, "percache"), percache.Cache(tmp_path / "c") as cache:
        assert cache(lambda x: ran(x), name="f")(1) == 1
        cache.sync()
    assert len(ran) == 1 or "a stored result of f is damaged" in caplog.text


def test_a_cache_that_cannot_be_opened_says_why(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(percache.Error, match="is not a directory|a cache of percache 0.4"):
        percache.Cache(tmp_path / "file" / "below")
    with pytest.raises(percache.Error, match="another file"):
        percache.Cache(tmp_path / "file")


def test_a_cache_can_be_pickled_if_it_has_a_path(cache):
    import pickle

    again = pickle.loads(pickle.dumps(cache))
    assert again.path == cache.path and pickle.loads(pickle.dumps(cache)) is again
    with pytest.raises(TypeError, match="a cache that has a path"):
        pickle.dumps(percache.Cache(":memory:"))


def test_the_command_percache_sees_the_same_results(cache):
    command = pathlib.Path(sys.executable).with_name("percache")
    if not command.exists():
        pytest.skip("the command is not installed")

    def run(*arguments):
        ran = subprocess.run([command, *arguments, "--cache", cache.path], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    @cache
    def f(x):
        return x

    f(41), f(42)
    cache.sync()
    assert "Number of cached results : 2" in run("stats")
    assert "x=41" in run("list") and f.__percache__.name in run("list")
    run("clear")
    assert len(cache) == 0


def test_importing_percache_is_fast(program):
    text = """
        import sys, time
        start = time.perf_counter()
        import percache
        print(time.perf_counter() - start)
        heavy = {"asyncio", "logging", "inspect", "multiprocessing", "numpy", "dataclasses", "typing", "dis", "json"}
        print(sorted(heavy & set(sys.modules)))
    """
    program.run(text)
    times = []
    for _ in range(5):
        taken, heavy = program.again().split("\n")
        times.append(float(taken))
        assert heavy == "[]"
    assert min(times) < 0.1, "15 ms on a machine that has nothing else to do"


def test_the_stubs_name_what_there_is():
    import ast

    directory = pathlib.Path(percache.__file__).parent
    assert (directory / "py.typed").is_file()
    for stub, module in [("__init__.pyi", percache), ("key.pyi", percache.key)]:
        tree = ast.parse((directory / stub).read_text())
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                class_ = getattr(module, node.name, None)
                if class_ is None:
                    assert node.name.startswith("_"), node.name
                    continue
                for member in node.body:
                    name = getattr(member, "name", None)
                    assert name is None or hasattr(class_, name), f"{node.name}.{name}"
            elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                assert hasattr(module, node.name), node.name
        names = {getattr(node, "name", None) for node in tree.body}
        names |= {alias.asname for node in tree.body for alias in getattr(node, "names", ())}
        assert {name for name in module.__all__ if not name.startswith("__") and name != "key"} <= names
