"""Characters that act on a terminal or reorder text are shown; every other character is left alone."""

import pytest

from simulacra.formalism.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("a\rb", r"a\x0db"),
        ("bell\x07 del\x7f c1\x9b", r"bell\x07 del\x7f c1\x9b"),
        ("abc\u202edcba\u202c", r"abc\u202edcba\u202c"),
        ("iso\u2066x\u2069", r"iso\u2066x\u2069"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("lone \ud800", r"lone \ud800"),
        ("tag \U000e0041", r"tag \U000e0041"),
    ],
)
def test_what_acts_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown
    visible(text).encode()


@pytest.mark.parametrize("text", ["", "a\n\tb", "Σ w μ, −3 (1\u202f080)", "مرحبا", "می\u200cخواهم", "👩\u200d🔬", "é"])
def test_what_is_text_is_left_alone(text: str) -> None:
    assert visible(text) == text
