"""Counts of elicited completions: by hand, with equal weights of questions, with labels, and refusals."""

import numpy as np
import pandas as pd
import pytest

from simulacra.data import CompletionLog, read_completions
from simulacra.data.counting.elicited import count_elicited
from simulacra.formalism import LabelEmission
from simulacra.formalism.outcomes import Rule

EMISSIONS = [LabelEmission("grade", ["good", "bad"])]


def log(rows: list[tuple[str, str, str | None, str, str]], times: int = 1) -> CompletionLog:
    table = pd.DataFrame(rows * times, columns=["condition", "question_id", "elicited_by", "judged", "grade"])
    table["completion"] = [f"text {number}" for number in range(len(table))]
    return read_completions(table, measurements=["grade"], contexts=["elicited_by", "judged"])


ROWS: list[tuple[str, str, str | None, str, str]] = [
    (condition, question, persona, persona or "helper", grade)
    for condition in ("base", "ft")
    for question in ("q1", "q2")
    for persona, grade in (("villain", "bad"), ("helper", "good"), (None, "good"))
]


def test_balanced_counts_are_the_numbers_logged() -> None:
    counts = count_elicited(log(ROWS, 5), EMISSIONS, elicited_by="elicited_by")
    assert (counts.conditions, counts.personas, counts.asked) == (("base", "ft"), ("helper", "villain"), 2)
    np.testing.assert_allclose(counts.elicited, [[[10, 0], [0, 10]]] * 2)
    np.testing.assert_allclose(counts.plain, [[10, 0]] * 2)
    np.testing.assert_array_equal(counts.rows, [[10, 10]] * 2)


def test_questions_have_equal_weights() -> None:
    more = [("base", "q1", "villain", "villain", "good")] * 6
    counts = count_elicited(log(ROWS + more), EMISSIONS, elicited_by="elicited_by")
    villain = counts.elicited[0, 1]
    np.testing.assert_allclose(villain / villain.sum(), [0.5 * 6 / 7, 0.5 + 0.5 / 7])
    assert villain.sum() == pytest.approx(1 / (0.25 / 7 + 0.25))
    assert counts.rows[0, 1] == 8


def test_only_common_questions_and_labelled_completions_count() -> None:
    rows = [*ROWS, ("ft", "q3", None, "helper", "bad"), ("ft", "q1", "villain", "helper", "good")]
    rows += [("other", "q1", None, "helper", "good")]
    counts = count_elicited(log(rows), EMISSIONS, elicited_by="elicited_by", label="judged")
    assert (counts.questions, counts.asked, counts.left_out) == (("q1", "q2"), 3, ("other",))
    np.testing.assert_array_equal(counts.rows[1], [2, 2])
    np.testing.assert_array_equal(counts.prompted[1], [2, 3])
    assert counts.elicited[1, 1, 0] == 0


def test_the_denominator_selects_completions() -> None:
    counts = count_elicited(log(ROWS, 3), EMISSIONS, elicited_by="elicited_by", denominator=Rule("grade == 'bad'"))
    assert not counts.plain.any()
    np.testing.assert_allclose(counts.elicited, [[[0], [6]]] * 2)


def test_errors_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"no context 'prompted'; expected one of elicited_by, judged.*contexts=\['"):
        count_elicited(log(ROWS), EMISSIONS, elicited_by="prompted")
    plain = [row for row in ROWS if row[2] is None]
    with pytest.raises(ValueError, match="no completion has a persona in the column 'elicited_by'"):
        count_elicited(log(plain), EMISSIONS, elicited_by="elicited_by")
    apart = [row for row in ROWS if (row[0] == "ft") == (row[1] == "q1")]
    with pytest.raises(ValueError, match="no question that was asked everywhere: base as itself, base as helper"):
        count_elicited(log(apart), EMISSIONS, elicited_by="elicited_by")
