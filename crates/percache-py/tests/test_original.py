"""percache 0.4.4 as its users know it: its own tests, unchanged, and what its README promises."""

import os
import pathlib
import subprocess
import sys
import time

import percache
import pytest


def test_the_tests_of_the_original_pass_unchanged(tmp_path):
    original = os.environ.get("PERCACHE_ORIGINAL")
    if not original:
        pytest.skip("PERCACHE_ORIGINAL does not say where percache 0.4.4 is")
    tests = pathlib.Path(original) / "tests.py"
    ran = subprocess.run(
        [sys.executable, str(copy(tests, tmp_path))],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "Ran 9 tests" in ran.stderr and ran.stderr.rstrip().endswith("OK"), ran.stderr


def copy(tests, directory):
    """Beside the original there is its `percache.py`, which would be imported instead."""
    to = directory / "original_tests.py"
    to.write_bytes(tests.read_bytes())
    return to


class Backend(dict):
    def __init__(self):
        self.synced = self.closed = 0

    def sync(self):
        self.synced += 1

    def close(self):
        self.closed += 1


def test_any_mapping_with_sync_and_close_is_a_back_end(ran):
    backend = Backend()
    cache = percache.Cache(backend, livesync=True)

    @cache
    def f(x):
        return ran(x)

    assert [f(1), f(1), f(2)] == [1, 1, 2]
    assert ran.calls == [1, 2]
    assert backend.synced and not backend.closed
    cache.close()
    cache.close()
    assert backend.closed == 1

    again = percache.Cache(backend)

    @again
    def f(x):  # noqa: F811
        return ran(x)

    assert f(1) == 1
    assert ran.calls == [1, 2]


def test_without_live_sync_a_mapping_is_not_synced(ran):
    backend = Backend()
    cache = percache.Cache(backend)
    cache(lambda x: ran(x))(1)
    assert backend.synced == 0
    cache.close()
    assert (backend.synced, backend.closed) == (0, 1)


def test_a_shelve_works_as_a_mapping(tmp_path, ran):
    import shelve

    for _ in range(2):
        cache = percache.Cache(shelve.open(str(tmp_path / "shelf")))

        @cache
        def f(x):
            return ran({"x": x})

        assert f(1) == {"x": 1}
        cache.close()
    assert len(ran) == 1


def test_what_is_no_mapping_and_no_path_is_refused():
    with pytest.raises(TypeError, match="a directory or in a mapping, not in int"):
        percache.Cache(3)


def test_an_empty_path_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(percache.Error, match="the path of the cache is empty"):
        percache.Cache("")
    assert not list(tmp_path.iterdir())


def test_a_custom_representation_alone_counts(path, ran):
    cache = percache.Cache(path, repr=lambda value: "same")

    @cache
    def f(x):
        return ran(x)

    assert [f(1), f(2), f(object())] == [1, 1, 1]


def test_passing_the_usual_representation_changes_nothing(path, ran):
    cache = percache.Cache(path, repr=repr)

    @cache
    def f(x):
        return ran(x)

    f(1.0)
    f(1)
    assert len(ran) == 2


def test_stats_are_those_of_the_original_and_more(cache, ran):
    assert tuple(cache.stats()) == (0, None, None)
    before = time.time()

    @cache
    def f(x):
        return ran(x)

    f(1), f(1), f(2)
    results, oldest, latest = cache.stats()
    assert results == 2 and before - 1 <= oldest <= latest <= time.time() + 1
    stats = cache.stats()
    assert (stats.hits, stats.misses) == (1, 2) and stats.bytes > 0


def test_clear_removes_all_or_what_was_not_used_for_some_time(cache, ran):
    @cache
    def f(x):
        return ran(x)

    f(1)
    time.sleep(1.5)
    f(2)
    assert cache.clear(maxage=1) == 1
    assert [f(1), f(2)] == [1, 2]
    assert ran.calls == [1, 2, 1]
    assert cache.clear(0) == 2
    assert len(cache) == 0


def test_the_default_cache_is_the_users(program):
    text = """
        import percache
        @percache.Cache()
        def f(x):
            print("computed")
            return x
        f(1)
    """
    home = {"HOME": str(program.path), "XDG_CACHE_HOME": str(program.path / "caches")}
    assert program.run(text, **home) == "computed"
    assert program.again(**home) == ""
    assert (program.path / "caches/percache").is_dir()


def test_results_are_kept_at_exit_and_on_finalization(program):
    text = """
        import percache, sys
        cache = percache.Cache("c")
        @cache
        def f(x):
            print("computed", x)
            return x
        f(sys.argv[1])
        if sys.argv[1] == "gone":
            del f, cache
    """
    for argument in ("at exit", "gone"):
        assert program.run(text, argument) == f"computed {argument}"
        assert program.again("program.py", argument) == ""


def test_the_command_line_prints_the_three_lines(path):
    with percache.Cache(path) as cache:
        cache(lambda: 1)()
    ran = subprocess.run([sys.executable, "-m", "percache", path], capture_output=True, text=True)
    assert ran.stdout.splitlines() == [
        "Number of cached results : 1",
        "Oldest result usage age  : 0s",
        "Latest result usage age  : 0s",
    ]


def test_the_command_line_says_that_there_is_no_cache(tmp_path):
    ran = subprocess.run([sys.executable, "-m", "percache", str(tmp_path / "none")], capture_output=True, text=True)
    assert ran.returncode == 1 and "there is no cache at" in ran.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("ending", ["", ".db", ".dat", ".pag"])
def test_a_shelve_of_the_original_is_an_error_and_no_cache_is_made_beside_it(tmp_path, ending):
    (tmp_path / f"old{ending}").write_bytes(b"\0" * 100)
    with pytest.raises(percache.Error, match="a cache of percache 0.4"):
        percache.Cache(str(tmp_path / "old"))
    assert [file.name for file in tmp_path.iterdir()] == [f"old{ending}"]


@pytest.mark.parametrize("ending", ["", ".dat"])
def test_the_command_line_says_what_to_do_with_a_shelve(tmp_path, ending):
    (tmp_path / f"old{ending}").write_bytes(b"\0" * 100)
    ran = subprocess.run([sys.executable, "-m", "percache", str(tmp_path / "old")], capture_output=True, text=True)
    assert ran.returncode == 1 and "percache.import_shelve(" in ran.stderr


def test_check_is_the_older_way_to_decorate(cache, ran):
    @cache.check
    def f(x):
        return ran(x)

    assert [f(1), f(1)] == [1, 1] and len(ran) == 1
