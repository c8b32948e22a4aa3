"""Configs to plain data and back, strict both ways."""

import dataclasses
import json
import math
from abc import ABC
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldpress.config import MAX_DEPTH, MAX_INTEGER, MAX_SHOWN, Registry, from_plain, shown, to_plain, unknown
from fieldpress.errors import ConfigError


class Shape(ABC):
    id: ClassVar[str]


@dataclass(frozen=True)
class Circle(Shape):
    id: ClassVar[str] = "circle"

    radius: float

    def __post_init__(self) -> None:
        if self.radius <= 0:
            raise ValueError(f"radius is {self.radius}; expected more than 0")


@dataclass(frozen=True)
class Group(Shape):
    id: ClassVar[str] = "group"

    parts: tuple[Shape, ...]


@dataclass(frozen=True)
class Size:
    rows: int
    columns: int


@dataclass(frozen=True)
class Everything:
    switch: bool
    count: int
    scale: float
    name: str
    choice: Literal["a", "b", 3]
    maybe: float | None
    either: int | tuple[int, ...]
    pair: tuple[int, str]
    table: dict[str, float]
    size: Size
    shape: Shape
    circle: Circle


SHAPES = Registry("shape", Shape, Circle, Group)

EVERYTHING = Everything(
    switch=True,
    count=3,
    scale=0.5,
    name="x",
    choice="a",
    maybe=None,
    either=(1, 2),
    pair=(1, "y"),
    table={"z": 1.5},
    size=Size(2, 3),
    shape=Group((Circle(1.0), Group(()))),
    circle=Circle(2.0),
)

integers = st.integers(-MAX_INTEGER, MAX_INTEGER)
floats = st.floats(allow_nan=False, allow_infinity=False)
circles = st.builds(Circle, st.floats(min_value=0, exclude_min=True, allow_infinity=False))
shapes = st.recursive(circles, lambda inner: st.builds(Group, st.lists(inner, max_size=3).map(tuple)), max_leaves=5)
everything = st.builds(
    Everything,
    switch=st.booleans(),
    count=integers,
    scale=floats,
    name=st.text(),
    choice=st.sampled_from(["a", "b", 3]),
    maybe=st.none() | floats,
    either=integers | st.lists(integers).map(tuple),
    pair=st.tuples(integers, st.text()),
    table=st.dictionaries(st.text(), floats),
    size=st.builds(Size, integers, integers),
    shape=shapes,
    circle=circles,
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
junk = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


def changed(**values: Any) -> dict[str, Any]:
    return {**to_plain(EVERYTHING), **values}


def message(plain: Any, kind: Any = Everything) -> str:
    with pytest.raises(ConfigError) as caught:
        from_plain(kind, plain, "config")
    return str(caught.value)


@given(everything)
def test_a_config_survives_plain_data_and_json(config: Everything) -> None:
    assert from_plain(Everything, json.loads(json.dumps(to_plain(config))), "config") == config


def test_a_part_carries_its_id_before_its_own_keys() -> None:
    assert list(to_plain(Circle(2.0)).items()) == [("id", "circle"), ("radius", 2.0)]


def test_a_part_named_by_its_own_class_is_read_like_one_named_by_its_base() -> None:
    assert from_plain(Circle, to_plain(Circle(2.0)), "config") == Circle(2.0)


def test_a_class_takes_only_its_own_id() -> None:
    assert message(changed(circle={"id": "group", "radius": 1.0})) == "config.circle.id is 'group'; expected 'circle'"


@pytest.mark.parametrize("key", list(to_plain(EVERYTHING)))
def test_a_missing_key_is_named(key: str) -> None:
    plain = to_plain(EVERYTHING)
    del plain[key]
    assert message(plain) == f"config: key {key!r} is missing"


def test_an_unknown_key_is_named_and_the_nearest_one_suggested() -> None:
    plain = changed(size={"rows": 1, "columns": 2, "column": 3})
    assert message(plain) == "config.size: unknown key 'column'; did you mean 'columns'? known: rows, columns"


def test_a_number_that_is_not_known_is_not_taken_for_a_misspelt_one() -> None:
    assert unknown("effort", "20", ["1", "2"]) == "unknown effort '20'; known: 1, 2"


def test_an_unknown_part_is_named_with_its_place() -> None:
    found = message(changed(shape={"id": "group", "parts": [{"id": "cirle", "radius": 1.0}]}))
    assert found == "config.shape.parts[0]: unknown shape 'cirle'; did you mean 'circle'? known: circle, group"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("switch", 1, "config.switch is 1; expected true or false"),
        ("count", True, "config.count is True; expected a whole number"),
        ("count", 3.0, "config.count is 3.0; expected a whole number"),
        ("count", None, "config.count is None; expected a whole number"),
        ("count", MAX_INTEGER + 1, f"config.count is {MAX_INTEGER + 1}; expected a whole number within ±2**53"),
        ("scale", True, "config.scale is True; expected a number"),
        ("scale", "1", "config.scale is '1'; expected a number"),
        ("scale", math.nan, "config.scale is nan; expected a finite number"),
        ("scale", -math.inf, "config.scale is -inf; expected a finite number"),
        ("name", 1, "config.name is 1; expected a text"),
        ("choice", "c", "config.choice is 'c'; expected one of 'a', 'b', 3"),
        ("choice", 3.0, "config.choice is 3.0; expected one of 'a', 'b', 3"),
        ("choice", ["a"], "config.choice is ['a']; expected one of 'a', 'b', 3"),
        ("maybe", "x", "config.maybe is 'x'; expected a number"),
        ("either", "x", "config.either is 'x'; expected a whole number or a list"),
        ("pair", [1], "config.pair has 1 items; expected 2"),
        ("pair", [1, 2], "config.pair[1] is 2; expected a text"),
        ("pair", "1y", "config.pair is '1y'; expected a list"),
        ("table", [], "config.table is []; expected a table"),
        ("table", {"z": "w"}, "config.table['z'] is 'w'; expected a number"),
        ("table", {1: 1.0}, "config.table is {1: 1.0}; expected a table"),
        ("size", [2, 3], "config.size is [2, 3]; expected a table"),
        ("shape", None, "config.shape is None; expected a shape with an id"),
        ("shape", {"radius": 1.0}, "config.shape is {'radius': 1.0}; expected a shape with an id"),
        ("shape", {"id": "circle", "radius": -1}, "config.shape: radius is -1.0; expected more than 0"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(key: str, value: Any, expected: str) -> None:
    assert message(changed(**{key: value})) == expected


def test_a_whole_number_is_taken_for_a_float() -> None:
    scale = from_plain(Everything, changed(scale=2), "config").scale
    assert (scale, type(scale)) == (2.0, float)


def complaint(plain: Any) -> str:
    """The message of the error, or nothing."""
    try:
        from_plain(Everything, plain, "config")
    except ConfigError as error:
        return str(error)
    return ""


@given(st.sampled_from(dataclasses.fields(Everything)), junk)
def test_junk_gives_the_value_or_a_config_error_of_one_short_line(field: dataclasses.Field[Any], value: Any) -> None:
    text = complaint(changed(**{field.name: value}))
    assert "\n" not in text
    assert len(text) < 300


HUGE = {"text": "x" * 10**6, "integer": 10**5000, "list": ["x" * 10**6] * 10, "key": {"\n" * 10**6: "x"}}


@pytest.mark.parametrize("huge", HUGE.values(), ids=HUGE)
@pytest.mark.parametrize("key", ["count", "scale", "choice", "maybe", "either", "table", "shape"])
def test_a_huge_value_gives_a_short_message(key: str, huge: Any) -> None:
    text = message(changed(**{key: huge}))
    assert len(text) < 300
    assert "\n" not in text


def test_a_huge_key_gives_a_short_message() -> None:
    text = message(changed(**{"x" * 10**6: 1}))
    assert len(text) < 300


def nested(depth: int) -> dict[str, Any]:
    """Groups inside one another; each adds a table and a list."""
    plain: dict[str, Any] = {"id": "group", "parts": []}
    for _ in range(depth // 2 - 1):
        plain = {"id": "group", "parts": [plain]}
    return plain


def test_nesting_is_allowed_up_to_its_limit_and_no_deeper() -> None:
    from_plain(Shape, nested(MAX_DEPTH), "config")
    assert message(nested(MAX_DEPTH + 2), Shape) == f"config is nested more than {MAX_DEPTH} deep"


def test_nesting_beyond_any_recursion_limit_is_refused() -> None:
    assert "nested" in message(nested(100_000), Shape)


def test_a_type_that_is_not_plain_is_the_programmers_mistake() -> None:
    with pytest.raises(TypeError, match="not plain data"):
        from_plain(list[int], [1], "config")


@pytest.mark.parametrize("value", [math.nan, math.inf, MAX_INTEGER + 1, -MAX_INTEGER - 1])
def test_a_number_that_could_not_be_read_is_not_written(value: float) -> None:
    with pytest.raises(ConfigError, match="cannot be stored"):
        to_plain((1, value))


@pytest.mark.parametrize("value", [b"bytes", {1: 2}, {1, 2}, object(), 1j, Circle])
def test_what_is_not_plain_is_not_written(value: object) -> None:
    with pytest.raises(TypeError, match="not plain data"):
        to_plain(value)


def test_a_registry_lists_its_ids_in_order() -> None:
    assert (list(SHAPES), len(SHAPES), SHAPES["circle"]) == (["circle", "group"], 2, Circle)


def test_two_parts_with_one_id_are_refused() -> None:
    class Base:
        id: ClassVar[str] = "same"

    with pytest.raises(ValueError, match="two shape classes have the id 'same'"):
        Registry("shape", Base, Base, Base)


def test_an_unknown_name_lists_the_known_ones() -> None:
    assert unknown("shape", "cube", ["circle", "group"]) == "unknown shape 'cube'; known: circle, group"
    assert unknown("shape", 7, []) == "unknown shape 7; known: none"


def test_shown_is_short() -> None:
    assert shown([1, "a"]) == "[1, 'a']"
    assert len(shown([["x" * 1000] * 1000] * 1000)) == MAX_SHOWN
