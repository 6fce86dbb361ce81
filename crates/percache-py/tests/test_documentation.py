"""What the guide shows, runs."""

import pathlib
import re

import pytest

GUIDE = pathlib.Path(__file__).parents[3] / "docs/guide/python.md"


def test_the_examples_of_the_guide_run(program):
    if not GUIDE.is_file():
        pytest.skip("the guide is not beside the tests")
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.M | re.S)
    assert len(blocks) >= 3
    text = "\n".join(blocks) + "\nassert Model('ab').predict(3) == Model('ab').predict(3) == 6\n"
    text += "import asyncio\nassert asyncio.run(mesh([2, 1])) == [1, 2] and query(1, ' a b ') == ['a', 'b']\n"
    text += "assert fetch('u') == fetch('u', True) == 'U' and search('x') is None and flaky(2) == 0.5\n"
    assert program.run(text) == "computing"
    assert program.again() == ""


def test_the_guide_names_every_option():
    if not GUIDE.is_file():
        pytest.skip("the guide is not beside the tests")
    import inspect

    import percache

    text = GUIDE.read_text()
    names = set(inspect.signature(percache.Cache.__init__).parameters)
    names |= set(inspect.signature(percache.Cache.__call__).parameters)
    for name in names - {"self", "function", "backend"}:
        assert f"{name}=" in text, name
