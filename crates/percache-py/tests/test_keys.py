"""Which calls are one: those whose arguments have the same types and values, however they are passed."""

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import math
import operator
import pathlib
import re
import time
import types
import uuid

import pytest
from percache import _percache

Point = collections.namedtuple("Point", "x y")


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


class Other(enum.Enum):
    RED = 1


class Flags(enum.IntFlag):
    A = 1
    B = 2


@dataclasses.dataclass
class Item:
    name: str
    price: float
    note: str = dataclasses.field(default="", compare=False)


class Text(str):
    pass


class Compared:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return self.x == other.x

    __hash__ = None


class Shown:
    def __init__(self, x):
        self.x = x
        self.lock = __import__("threading").Lock()

    def __repr__(self):
        return f"Shown({self.x})"


class Keyed:
    def __init__(self, x):
        self.x = x

    def __percache_key__(self):
        return self.x


class Plain:
    def __init__(self, x):
        self.x = x


def double(x):
    return 2 * x


def triple(x):
    return 3 * x


def key(value):
    return _percache.digest(value)


#: No two of them are one.
DIFFERENT = [
    None, True, False, 0, 1, -1, 255, 256, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63), -(2**63) - 1, 10**40, -(10**40),
    0.0, -0.0, 1.0, 0.1, math.inf, -math.inf, math.nan, 1j, 0j, complex(0, -0.0),
    "", "1", "a", "ab", "\xe4", "a\u0308", "\udc80", "None", "x" * 5000, "x" * 4999 + "y",
    b"", b"1", b"a", b"x" * 5000, bytearray(b"1"), bytearray(b""), memoryview(b"1"),
    (), (1,), (1, 2), ((1,), 2), (1, (2,)), ("a", "b"), ("ab",), (None,),
    [], [1], [1, 2], [[1], 2], [1, [2]], [(1,)], ["a", "b"], ["ab"],
    {}, {1: 2}, {2: 1}, {"1": 2}, {1: "2"}, {1: {2: 3}}, {1: 2, 3: 4}, {1: 4, 3: 2},
    set(), {1}, {1, 2}, {"1"}, frozenset(), frozenset([1]), frozenset([frozenset([1])]),
    Ellipsis, NotImplemented, range(3), range(0, 3, 2), slice(1, 2), slice(1, None),
    Colour.RED, Colour.GREEN, Other.RED, Flags.A, Flags.A | Flags.B,
    Point(1, 2), Point(2, 1), Item("a", 1.0), Item("a", 2.0), Text("a"), Keyed(1), Keyed("1"), Compared(1), Compared(2),
    Shown(1), Shown(2),
    pathlib.PurePosixPath("a"), pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("a"),
    datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, fold=1),
    datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc), datetime.time(1), datetime.timedelta(1),
    datetime.timezone(datetime.timedelta(hours=1)),
    decimal.Decimal("1"), decimal.Decimal("1.0"), decimal.Decimal("NaN"), fractions.Fraction(1, 2),
    uuid.UUID(int=1), uuid.UUID(int=2), re.compile("a"), re.compile("a", re.I), re.compile(b"a"),
    collections.OrderedDict([(1, 2), (3, 4)]), collections.OrderedDict([(3, 4), (1, 2)]),
    collections.Counter("ab"), collections.Counter("aab"), collections.deque([1, 2]), collections.deque([1, 2], 5),
    collections.defaultdict(int, {1: 2}), collections.defaultdict(list, {1: 2}),
    array.array("i", [1]), array.array("l", [1]), types.SimpleNamespace(a=1), types.SimpleNamespace(a=2),
    types.MappingProxyType({1: 2}),
    int, str, Item, Plain, double, triple, lambda x: 2 * x, len, operator.add, math.sqrt, [].append, [1].append, math,
    functools.partial(double, 1), functools.partial(double, 2), functools.partial(triple, 1), operator.itemgetter(1),
]  # fmt: skip


def test_values_of_different_types_or_contents_are_apart():
    keys = {}
    for value in DIFFERENT:
        found = key(value)
        assert found not in keys, f"{value!r} is {keys[found]!r}"
        keys[found] = value


def test_equal_values_are_one_however_they_were_made():
    same = [
        (1000, int("1000")),
        ("text", "".join(["te", "xt"])),
        ({1: 2, 3: 4}, {3: 4, 1: 2}),
        ({"a", "b", "c"}, {"c", "b", "a"}),
        (frozenset("abc"), frozenset("cba")),
        (collections.Counter("ab"), collections.Counter("ba")),
        (math.nan, float("nan")),
        (math.nan, -math.nan),
        (Point(1, 2), Point(x=1, y=2)),
        (Item("a", 1.0, "one"), Item("a", 1.0, "other")),
        (Compared([1]), Compared([1])),
        (Shown(1), Shown(1)),
        (decimal.Decimal("1.10"), decimal.Decimal("1.10")),
        (pathlib.Path("a"), pathlib.Path("a/")),
        (re.compile("a"), re.compile("a", re.UNICODE)),
        (functools.partial(double, 1), functools.partial(double, 1)),
    ]
    for one, other in same:
        assert key(one) == key(other), (one, other)


def test_items_of_one_collection_may_be_shared_or_not():
    inner = [1]
    assert key([inner, inner]) == key([[1], [1]])


def test_keys_are_the_same_in_every_process(program):
    text = """
        from percache import _percache
        import percache, datetime, decimal
        value = [{"b": {1, "x", (2.5, None)}, "a": frozenset("hello")}, datetime.date(2020, 1, 2)]
        value += [decimal.Decimal(1), range(3)]
        print(_percache.digest(value).hex())
    """
    assert len({program.run(text, PYTHONHASHSEED=str(seed)) for seed in (1, 2, 3)}) == 1


def test_the_encoding_is_pinned():
    import hashlib

    encoded = b"t" + (3).to_bytes(8, "little") + b"i" + (1).to_bytes(8, "little") + b"s" + (1).to_bytes(8, "little")
    encoded += b"a" + b"N"
    assert key((1, "a", None)) == hashlib.sha1(encoded).digest()


def test_what_contains_itself_has_no_key():
    itself = []
    itself.append(itself)
    with pytest.raises(ValueError, match="contains itself"):
        key(itself)


def test_arrays_count_by_type_shape_and_every_byte():
    numpy = pytest.importorskip("numpy")
    base = numpy.arange(100_000.0)
    other = base.copy()
    other[50_000] += 1e-9
    different = [
        base, other, base.reshape(100, 1000), base.astype("f4"), base[:0], base.astype(">f8"), numpy.array(1.0),
        numpy.array([1.0]), numpy.float64(1.0), numpy.float32(1.0), numpy.int64(1), 1.0, [1.0],
        numpy.array(["a", "b"]), numpy.array(["a", "b"], object), numpy.array(["2020"], "M8[D]"),
        numpy.array(["2020"], "M8[s]"), numpy.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
        numpy.array([(1, 2.0)], [("a", "i4"), ("c", "f8")]), numpy.ma.array([1, 2], mask=[0, 1]), numpy.dtype("f8"),
        numpy.sin, numpy.cos,
    ]  # fmt: skip
    keys = [key(value) for value in different]
    assert len(set(keys)) == len(keys)
    assert key(base) == key(base.copy()) == key(base[::2].repeat(2)[::1] * 0 + base)
    square = base.reshape(100, 1000)
    assert key(square) == key(numpy.asfortranarray(square)) != key(square.T)


def test_frames_count_by_columns_types_index_and_values():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"], "c": [1.0, float("nan"), 3.0]})
    different = [
        frame, frame.rename(columns={"a": "d"}), frame[["b", "a", "c"]], frame.astype({"a": "f8"}), frame[:2],
        frame.set_index("a"), frame.assign(b=["x", None, "y"]), frame.assign(b=frame.b.astype("category")),
        frame.assign(a=frame.a.astype("Int64")), frame.a, frame.a.rename("z"), frame.c, frame.index, frame.columns,
        frame.assign(a=pandas.to_datetime(["2020", "2021", "2022"])),
        frame.assign(a=pandas.to_datetime(["2020", "2021", "2022"], utc=True)), frame.groupby(["a", "b"]).sum(),
        pandas.Timestamp("2020"), pandas.Timestamp("2020", tz="UTC"), pandas.Timedelta("1s"), pandas.NaT, pandas.NA,
    ]  # fmt: skip
    keys = [key(value) for value in different]
    assert len(set(keys)) == len(keys)
    assert key(frame) == key(frame.copy()) == key(pandas.concat([frame[:1], frame[1:]]).reset_index(drop=True))


def test_pydantic_models_count_by_their_fields():
    pydantic = pytest.importorskip("pydantic")

    class User(pydantic.BaseModel):
        name: str
        age: int = 3

    class Admin(User):
        pass

    assert key(User(name="a")) == key(User(name="a", age=3))
    assert len({key(User(name="a")), key(User(name="b")), key(User(name="a", age=4)), key(Admin(name="a"))}) == 4


def test_private_attributes_of_pydantic_models_count():
    pydantic = pytest.importorskip("pydantic")

    class User(pydantic.BaseModel):
        name: str
        _seen: int = pydantic.PrivateAttr(default=0)

    user, seen = User(name="a"), User(name="a")
    assert key(user) == key(seen)
    seen._seen = 1
    assert user != seen and key(user) != key(seen)


def test_looking_at_a_masked_array_does_not_change_its_key():
    numpy = pytest.importorskip("numpy")
    array = numpy.ma.array([1, 2], mask=[0, 1])
    before = key(array)
    # Sets its fill value.
    repr(array)
    assert key(array) == before == key(array.copy())
    other = array.copy()
    other.fill_value = 7
    shown = numpy.ma.array([1, 2], mask=[0, 0])
    assert len({before, key(other), key(shown), key(array.data)}) == 4


def test_polars_frames_count_by_columns_types_and_values():
    polars = pytest.importorskip("polars")

    def frame():
        kinds = polars.Series(["u", "v", "u"], dtype=polars.Categorical)
        return polars.DataFrame({"a": [1, 2, None], "b": ["x", "y", None], "c": [[1], [2, 3], None], "d": kinds})

    different = [
        frame(), frame().rename({"a": "z"}), frame().with_columns(polars.col("a").cast(polars.Int32)), frame()["a"],
        frame()["a"].rename("z"), frame()[:2], frame().select("b", "a"), frame().select("a", "b"), polars.DataFrame(),
        frame().with_columns(a=polars.Series([1, 2, 3])), frame().lazy(), polars.col("a") + 1, polars.col("a") + 2,
    ]  # fmt: skip
    keys = [key(value) for value in different]
    assert len(set(keys)) == len(keys)
    # What is written about several columns at once comes in any order.
    assert len({key(frame().rename({"a": "z"})) for _ in range(100)}) == 1
    twice = frame().select("a").vstack(frame().select("a"))
    assert twice.n_chunks() == 2 and key(twice) == key(twice.rechunk())


def test_a_million_elements_are_hashed_at_the_speed_of_memory():
    numpy = pytest.importorskip("numpy")
    array = numpy.random.default_rng(1).random(1_000_000)
    best = min(_timed(lambda: key(array)) for _ in range(5))
    assert best < 0.1, f"8 MB in {best} s"


def _timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def test_what_changes_while_it_is_encoded_breaks_nothing():
    class Changing:
        def __init__(self, collection):
            self.collection = collection

        def __percache_key__(self):
            for n in range(100):
                self.collection.add(n) if isinstance(self.collection, set) else self.collection.update({n: n})
            return 1

    changing = {}
    changing[Changing(changing)] = 1
    assert key(changing)
    changing = set()
    changing.add(Changing(changing))
    with pytest.raises(RuntimeError, match="changed size"):
        key(changing)
