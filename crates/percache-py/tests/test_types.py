"""What type checkers make of decorated functions."""

import re
import subprocess
import sys
import textwrap

import pytest

PROGRAM = textwrap.dedent(
    """
    from __future__ import annotations

    import percache

    cache = percache.Cache()


    @cache
    def plain(x: int, *, y: str = "") -> float:
        return float(x)


    @cache(maxage="7d")
    def aged(x: int) -> str:
        return str(x)


    class A:
        @cache
        def method(self, x: int) -> str:
            return str(x)

        @cache
        @staticmethod
        def static_below(x: int, y: str) -> str:
            return str(x)

        @staticmethod
        @cache
        def static_above(x: int) -> str:
            return str(x)

        @staticmethod
        @cache(maxage="1d")
        def static_without() -> str:
            return ""

        @cache
        @classmethod
        def class_below(cls, x: int) -> str:
            return str(x)

        @classmethod
        @cache
        def class_above(cls, x: int) -> str:
            return str(x)

        @property
        @cache
        def value(self) -> int:
            return 1

        def inside(self) -> list[str]:
            return [self.static_below(1, "x"), self.static_above(x=1), self.method(x=1), self.class_above(1)]


    good: list[object] = [
        plain(1, y="a"),
        plain.cache_info(),
        A().method(1),
        A.method(A(), 1),
        A.method.refresh(A(), 1),
        A.static_below(1, "x"),
        A().static_below(1, y="x"),
        A.static_above(1),
        A().static_above(1),
        A.static_above.cache_clear(),
        A.static_without(),
        A().static_without(),
        A.class_below(1),
        A().class_below(1),
        A.class_above(1),
        A().class_above(1),
        A().value.bit_length(),
        aged(1).upper(),
        A().static_above(1).upper(),
    ]
    """
)

WRONG = [
    'plain("x")',
    "plain(1, z=2)",
    "plain(1).upper()",
    'A().method("x")',
    'A.method(1, "x")',
    'A.static_above("x")',
    "A().static_above(A(), 1)",
    "A().static_below(1, 2)",
    "A.static_without(1)",
    'A.class_below("x")',
    'A().class_above("x")',
]


def lines_with_errors(checker, text, tmp_path):
    """Returns the numbers of the lines that a type checker refuses."""
    (tmp_path / "program.py").write_text(text)
    command = [sys.executable, "-m", *checker, "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(r"program\.py:(\d+)(?::\d+)?(?: -|:) error", done.stdout)
    return sorted({int(line) for line in found}), done.stdout


@pytest.mark.parametrize("checker", [["mypy", "--strict"], ["pyright"]], ids=["mypy", "pyright"])
def test_right_calls_are_right_and_wrong_ones_are_not(checker, tmp_path):
    pytest.importorskip(checker[0])
    numbers, said = lines_with_errors(checker, PROGRAM, tmp_path)
    assert numbers == [], said
    first = PROGRAM.count("\n") + 1
    numbers, said = lines_with_errors(checker, PROGRAM + "\n".join(WRONG) + "\n", tmp_path)
    assert numbers == list(range(first, first + len(WRONG))), said
