"""The one class of what a user can fix: how its message is put together, and how types are refused."""

import numbers
import pickle

import pytest

from simulacra.data import LogError
from simulacra.formalism import InputError, OutOfRange
from simulacra.formalism.errors import expect_type


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "the file is empty."),
        ({"expected": "rows"}, "the file is empty; expected rows."),
        ({"remedy": "leave it out"}, "the file is empty; leave it out."),
        ({"expected": "rows", "remedy": "leave it out"}, "the file is empty; expected rows; leave it out."),
        ({"remedy": "did you mean another?"}, "the file is empty; did you mean another?"),
        ({"expected": "rows."}, "the file is empty; expected rows."),
        ({"expected": "\x1b[2Jrows\u202e"}, "the file is empty; expected \\x1b[2Jrows\\u202e."),
    ],
)
def test_absent_parts_are_left_out_of_the_message(parts: dict, message: str) -> None:
    assert str(InputError("the file is empty", **parts)) == message


@pytest.mark.parametrize(
    ("argument", "names"), [((), ()), ("columns", ("columns",)), (["on", "layout"], ("on", "layout"))]
)
def test_arguments_are_names_whether_one_or_several_are_given(argument: object, names: tuple[str, ...]) -> None:
    assert InputError("wrong", argument=argument).argument == names  # type: ignore[arg-type]


def test_errors_of_logs_say_where_and_are_input_errors() -> None:
    error = LogError(
        "empty", expected="a name", remedy="fill it in", argument="columns", file="a.csv", line=3, column="q"
    )
    assert str(error) == "a.csv:3: column 'q': empty; expected a name; fill it in."
    assert isinstance(error, InputError)
    assert (error.what, error.expected, error.remedy, error.argument) == ("empty", "a name", "fill it in", ("columns",))
    assert (error.file, error.line, error.column) == ("a.csv", 3, "q")
    assert issubclass(OutOfRange, InputError)
    assert issubclass(InputError, ValueError)


def test_errors_survive_a_process_boundary() -> None:
    error = LogError("empty", remedy="fill it in", argument="columns", file="a.csv", line=3)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize("value", ["3", 3.0, True, None])
def test_what_is_not_of_a_type_is_refused_by_name(value: object) -> None:
    with pytest.raises(InputError, match=r"^fit: seed is .*; expected a whole number\.$") as caught:
        expect_type(value, numbers.Integral, "seed", "fit", expected="a whole number")
    assert caught.value.argument == ("seed",)


def test_what_is_of_a_type_passes() -> None:
    expect_type(3, numbers.Integral, "seed", "fit", expected="a whole number")
    expect_type(None, (str, type(None)), "name", "fit", expected="a name")
    expect_type(True, bool, "flag", "fit", expected="a flag")
