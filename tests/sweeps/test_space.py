"""Parameters, conditions, grids, and values as words of a command line."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganatomy.config.compose import parsed
from ganatomy.errors import UserError
from ganatomy.sweeps.space import grid, probes, read_space, suggest, word, words

CONDITIONAL = {
    "model": ["a", "b", "c"],
    "lr": {"low": 1.0e-4, "high": 1.0e-2, "log": True},
    "depth": {"low": 1, "high": 3, "when": {"model": ["a", "b"]}},
    "norm": {"choices": [None, "BATCH"], "when": {"model": "a", "depth": [2, 3]}},
}


def test_a_parameter_is_drawn_only_where_its_condition_holds() -> None:
    space = read_space(CONDITIONAL)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [suggest(study.ask(), space) for _ in range(300)]
    for values in drawn:
        assert ("depth" in values) == (values["model"] in "ab")
        assert ("norm" in values) == (values["model"] == "a" and values["depth"] > 1)
        assert isinstance(values.get("depth", 1), int) and 1.0e-4 <= values["lr"] <= 1.0e-2
    assert {values["model"] for values in drawn} == set("abc")
    below = sum(values["lr"] < 1.0e-3 for values in drawn)  # the middle of a logarithmic range
    assert abs(below - 150) < 4 * math.sqrt(75)


def test_a_grid_has_every_combination_once() -> None:
    points = grid(read_space({key: node for key, node in CONDITIONAL.items() if key != "lr"}))
    # a: depth 1 alone, 2 and 3 with two norms; b: three depths; c: nothing else
    assert len(points) == (1 + 2 * 2) + 3 + 1 == len({str(point) for point in points})
    steps = grid(read_space({"x": {"low": 0.0, "high": 0.3, "step": 0.1}}))
    assert [point["x"] for point in steps] == [0.0, 0.1, 0.2, 0.3]
    with pytest.raises(UserError, match=r"space\.lr: a grid needs"):
        grid(read_space(CONDITIONAL))


def test_every_parameter_is_probed_where_it_is_active() -> None:
    space = read_space(CONDITIONAL)
    found = [(parameter.key, values) for parameter, values in probes(space)]
    assert [key for key, _ in found].count("norm") == 2
    assert all(parameter.active(values) for parameter, values in probes(space))
    assert ("norm", {"model": "a", "depth": 2, "norm": "BATCH"}) in found


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"a": 3}, "space.a: needs a list of choices, or low and high, got 3"),
        ({"a": {"low": 1}}, "space.a: needs a list of choices, or numbers low and high"),
        ({"a": {"lo": 1, "high": 2}}, "space.a.lo: no such key; did you mean 'low'?"),
        ({"a": {"low": 3, "high": 2}}, "space.a: "),
        ({"a": {"low": 0.0, "high": 2.0, "log": True}}, "space.a: "),
        ({"a": []}, "space.a.choices: needs a list of values"),
        ({"a": [1], "b": {"choices": [1], "when": {"c": 1}}}, "space.b.when: c is no parameter above it"),
        ({"a": [1], "b": {"choices": [1], "when": {"a": 2}}}, "space.b.when: a never is 2"),
        ({}, "space: is empty"),
    ],
)
def test_a_wrong_space_is_one_line(space: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as told:
        read_space(space)
    assert str(told.value).startswith(message) and "\n" not in str(told.value)


plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.from_regex(r"[a-z_]+", fullmatch=True)
)
nested = st.recursive(
    plain.filter(lambda v: v not in ("null", "true", "false", "inf", "nan", "on", "off")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.from_regex(r"[a-z]+", fullmatch=True), inner, max_size=3)
    ),
)


@settings(max_examples=50, deadline=None)
@given(nested)
def test_what_is_written_behind_a_key_is_read_as_it_was(value: Any) -> None:
    (line,) = words({"key": word(value)})
    assert parsed([line])[0].value() == value
