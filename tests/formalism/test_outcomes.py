"""Rules against Python itself on raw values, probabilities against enumeration, and what is not understood."""

import itertools

import numpy as np
import pandas as pd
import pytest

from simulacra.formalism import LabelEmission, Outcome, ScoreEmission
from simulacra.formalism.outcomes import Rule

_EMISSIONS = (
    ScoreEmission("aligned", ("<30", "<=30", "<80")),
    ScoreEmission("coherent", ("<=50", "<90")),
    LabelEmission("grade", [1, 2, 3]),
    LabelEmission("kind", ["OK", "REFUSAL"]),
)
_RULES = (
    "aligned < 30",
    "aligned <= 30",
    "30 >= aligned",
    "80 > aligned",
    "aligned < 30 and coherent > 50",
    "30 <= aligned < 80",
    "aligned < 30 or coherent <= 50 and grade != 2",
    "(aligned < 30 or coherent <= 50) and grade != 2",
    "not aligned < 30",
    "not (aligned < 30 or missing(coherent))",
    "missing(aligned)",
    "missing(aligned) and not missing(kind)",
    "kind == 'REFUSAL' or grade >= 2",
    "kind != 'REFUSAL'",
    "1 < grade <= 3",
    "aligned <= 100",
)


class _Raw:
    """A raw value under Python's own operators, except that a missing one satisfies no comparison."""

    def __init__(self, value: object) -> None:
        self.value = value

    @property
    def missing(self) -> bool:
        return self.value is None or self.value != self.value

    def __lt__(self, other: object) -> bool:
        return not self.missing and self.value < other

    def __le__(self, other: object) -> bool:
        return not self.missing and self.value <= other

    def __gt__(self, other: object) -> bool:
        return not self.missing and self.value > other

    def __ge__(self, other: object) -> bool:
        return not self.missing and self.value >= other

    def __eq__(self, other: object) -> bool:
        return not self.missing and self.value == other

    def __ne__(self, other: object) -> bool:
        return not self.missing and self.value != other

    __hash__ = None


@pytest.fixture
def rows(rng: np.random.Generator) -> pd.DataFrame:
    """600 rows of raw values, one in eight missing."""
    frame = pd.DataFrame(
        {
            "aligned": rng.choice([0.0, 12.0, 29.99, 30.0, 30.01, 79.0, 80.0, 100.0], 600),
            "coherent": rng.choice([0.0, 50.0, 50.01, 89.0, 90.0, 100.0], 600),
            "grade": rng.choice([1.0, 2.0, 3.0], 600),
            "kind": rng.choice(["OK", "REFUSAL"], 600).astype(object),
        }
    )
    return frame.mask(rng.random(frame.shape) < 0.125)


def _codes(rows: pd.DataFrame) -> np.ndarray:
    return np.stack([emission.encode(rows[emission.measurement].to_numpy()) for emission in _EMISSIONS], axis=1)


def _by_python(rule: str, rows: pd.DataFrame) -> np.ndarray:
    names = [emission.measurement for emission in _EMISSIONS]
    records = [{name: _Raw(row[name]) for name in names} for row in rows.to_dict("records")]
    return np.array([eval(rule, {"missing": lambda raw: raw.missing}, record) for record in records])


@pytest.mark.parametrize("rule", _RULES)
def test_rules_say_of_codes_what_python_says_of_raw_values(rule: str, rows: pd.DataFrame) -> None:
    held = Rule(rule).holds(_EMISSIONS, _codes(rows))
    assert held.dtype == bool
    assert (held == _by_python(rule, rows)).all()
    assert held.sum() > 0


@pytest.mark.parametrize("rule", _RULES)
def test_probability_is_the_sum_over_all_patterns(rule: str, rng: np.random.Generator) -> None:
    tables = [rng.dirichlet(np.ones(len(e.categories)), size=(2, 3)) for e in _EMISSIONS]  # (draw, persona, category)
    patterns = np.array(list(itertools.product(*(range(len(e.categories)) for e in _EMISSIONS))))
    held = Rule(rule).holds(_EMISSIONS, patterns)
    product = np.ones((2, 3, len(patterns)))
    for column, table in enumerate(tables):
        product *= table[:, :, patterns[:, column]]
    expected = product[:, :, held].sum(axis=-1)
    computed = Rule(rule).probability(_EMISSIONS, tables)
    assert computed.shape == (2, 3)
    np.testing.assert_allclose(computed, expected, atol=1e-14)
    np.testing.assert_allclose(Rule(f"not ({rule})").probability(_EMISSIONS, tables), 1 - expected, atol=1e-12)


def test_measurements_are_named_once_in_order() -> None:
    assert Rule("coherent > 50 and aligned < 30 and not coherent >= 90").measurements == ("coherent", "aligned")


@pytest.mark.parametrize(
    ("of", "denominator"),
    [
        ("all", None),
        ("coherent", "coherent > 50"),
        ("scored", "not missing(aligned) and not missing(coherent)"),
        ("grade >= 2", "grade >= 2"),
    ],
)
def test_denominators_are_spelt_out(of: str, denominator: str | None, rows: pd.DataFrame) -> None:
    outcome = Outcome("aligned < 30 and coherent > 50 or aligned < 30 and missing(coherent)", of=of)
    assert (outcome.denominator and outcome.denominator.text) == denominator
    codes = _codes(rows)
    event = _by_python(outcome.rule, rows)
    inside = _by_python(denominator, rows) if denominator else np.ones(len(rows), dtype=bool)
    assert (outcome.numerator.holds(_EMISSIONS, codes) == (event & inside)).all()


def test_an_outcome_says_what_it_is() -> None:
    assert str(Outcome("aligned < 30", of="scored", name="bad")) == "bad: aligned < 30 (of scored)"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("aligned <", "Rule 'aligned <' is not understood: invalid syntax, at column"),
        ("", "is not understood"),
        ("aligned", "'aligned' is not understood; expected comparisons such as"),
        ("True", "'True' is not understood"),
        ("aligned < coherent", "expected a measurement compared with a number or a quoted word"),
        ("aligned < True", "expected a measurement compared with a number"),
        ("aligned < f(3)", "expected a measurement compared with a number"),
        ("aligned in (1, 2)", "expected a measurement compared with a number"),
        ("1 < 2", "expected a measurement compared with a number"),
        ("aligned < 1j", "expected a measurement compared with a number"),
        ("aligned < {[]}", "expected a measurement compared with a number"),
        ("missing('aligned')", "is not understood"),
        ("missing(aligned, coherent)", "is not understood"),
        ("absent(aligned)", "is not understood"),
        ("aligned + 1 < 3", "expected a measurement compared with a number"),
        ("-aligned < 3", "expected a measurement compared with a number"),
        ("aligned < 30 if coherent > 50 else 0", "is not understood"),
        ("__import__('os')", "is not understood"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_part(rule: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Rule(rule)
    with pytest.raises(ValueError, match=message):
        Outcome("aligned < 30", of=rule)


def test_an_unknown_denominator_is_named_with_those_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"of='everything' is not a denominator; expected 'all', 'scored', 'coherent' or"
    ):
        Outcome("aligned < 30", of="everything")


def test_a_rule_about_something_unmeasured_says_what_is_measured() -> None:
    message = "uses 'toxic', for which there is no emission; the model has aligned, coherent, grade, kind"
    tables = [np.full((2, len(emission.categories)), 1 / len(emission.categories)) for emission in _EMISSIONS]
    with pytest.raises(ValueError, match=message):
        Rule("aligned < 30 and toxic > 3").holds(_EMISSIONS, np.zeros((1, 4), dtype=int))
    with pytest.raises(ValueError, match=message):
        Rule("aligned < 30 and toxic > 3").probability(_EMISSIONS, tables)


def test_a_threshold_between_edges_is_refused() -> None:
    with pytest.raises(ValueError, match="not a bin edge"):
        Rule("aligned < 40").holds(_EMISSIONS, np.zeros((1, 4), dtype=int))


@pytest.mark.parametrize(
    ("rule", "judged"),
    [
        ("aligned < 30 and coherent > 50", "coherent > 50 and not missing(aligned)"),
        ("30 <= aligned < 80", "not missing(aligned)"),
        ("coherent <= 50", "not missing(coherent)"),  # about coherence itself
        ("coherent <= 50 and 10 < coherent", "not missing(coherent)"),
        ("missing(aligned)", None),
        ("not aligned < 30 and coherent > 50", "coherent > 50"),  # a missing score satisfies the first
        ("aligned < 30 or coherent <= 50", None),
        ("kind == 'REFUSAL'", "not missing(kind)"),
    ],
)
def test_what_an_event_can_be_seen_in(rule: str, judged: str | None) -> None:
    found = Outcome(rule).judged
    assert (found and found.text) == judged
    if found is not None:  # no event outside
        codes = np.array(list(itertools.product(*(range(len(each.categories)) for each in _EMISSIONS))))
        if "10 <" not in rule:
            assert not (Rule(rule).holds(_EMISSIONS, codes) & ~found.holds(_EMISSIONS, codes)).any()
