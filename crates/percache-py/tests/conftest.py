"""What tests share: a cache in a directory of its own, and programs that run in processes of their own."""

import concurrent.futures
import os
import subprocess
import sys
import textwrap
import threading

import percache
import pytest


@pytest.fixture
def cache(tmp_path):
    with percache.Cache(tmp_path / "results.cache") as cache:
        yield cache


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "results.cache")


@pytest.fixture
def program(tmp_path):
    """Runs Python text in a process, in a directory of its own; returns what it printed."""
    directory = tmp_path / "program"
    directory.mkdir()

    class Program:
        path = directory

        def write(self, name, text):
            file = directory / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(textwrap.dedent(text))
            return file

        def start(self, name, *arguments, **environment):
            variables = {**os.environ, "PYTHONHASHSEED": "random", **environment}
            variables.pop("PYTHONDONTWRITEBYTECODE", None)
            return subprocess.Popen(
                [sys.executable, name, *arguments],
                cwd=directory,
                env=variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )

        def run(self, text, *arguments, name="program.py", **environment):
            self.write(name, text)
            return self.again(name, *arguments, **environment)

        def again(self, name="program.py", *arguments, **environment):
            process = self.start(name, *arguments, **environment)
            try:
                out, err = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise AssertionError(f"it hangs: {process.communicate()}") from None
            assert process.returncode == 0, err
            return out.strip()

    return Program()


class Counted:
    """Counts the calls of a function that a cache decorates: what it counts is no part of the function."""

    def __init__(self):
        self.calls = []

    def __call__(self, value=None):
        self.calls.append(value)
        return value

    def __percache_key__(self):
        return ()

    def __len__(self):
        return len(self.calls)


@pytest.fixture
def ran():
    return Counted()


def at_once(count, call):
    """Calls from many threads at the same time; returns what each got."""
    barrier = threading.Barrier(count)

    def run(place):
        barrier.wait()
        try:
            return call(place)
        except Exception as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
