"""The scale that a score is assumed to be on is checked against its values, and can be declared."""

import re

import numpy as np
import pandas as pd
import pytest

from simulacra.data import LogError, collapse, read_completions, scan_completions
from simulacra.data.counting.scales import shorter_scale
from simulacra.formalism import LabelEmission, PersonaMixture, ScoreEmission
from simulacra.formalism.errors import InputError


def _log(values, name="aligned"):
    rows = len(values)
    return pd.DataFrame(
        {
            "condition": ["base", "tuned"] * (rows // 2),
            "question_id": [f"q{row % 4}" for row in range(rows)],
            "completion": [f"text {row}" for row in range(rows)],
            name: values,
        }
    )


def _both(frame, tmp_path, **options):
    frame.to_csv(tmp_path / "log.csv", index=False)
    return read_completions(tmp_path / "log.csv", **options), scan_completions(tmp_path / "log.csv", **options)


@pytest.mark.parametrize(
    ("values", "declared"),
    [
        ([1, 2, 9, 10, 8, 9], "bounds=(1, 10)"),
        ([0, 2, 9, 10, 8, 9], "bounds=(0, 10)"),
        ([0.1, 0.95, 1.0, 0.5], "bounds=(0, 1)"),
        ([0, 1, 1, 0], "bounds=(0, 1)), to which named persona sets and the usual rule are rescaled; flags are labels"),
        ([1, 5, 4, 2], "bounds=(1, 5)"),
        ([1.5, 5, 4.25, 2], "bounds=(1, 5)"),
        ([3, 19, 20, 12], "bounds=(1, 20)"),
    ],
)
def test_a_shorter_scale_is_refused_with_its_declaration(values, declared, tmp_path):
    match = r"column 'aligned': none of the 12 scores .*" + re.escape(declared)
    for log in _both(_log((values * 12)[:12]), tmp_path):
        with pytest.raises(LogError, match=match) as caught:
            collapse(log, [ScoreEmission("aligned")])
        assert "bounds" in caught.value.argument


@pytest.mark.parametrize(
    "values", [[0, 5, 10, 15, 20], [0.3, 12.5, 2, 4], [30, 100, 2, 3], [21, 3, 4, 5], [-3, 4, 5], [1, 5, np.inf]]
)
def test_scores_that_may_be_from_0_to_100_are_not_refused(values):
    assert shorter_scale(np.array(values, dtype=float)) is None


def test_a_declared_scale_or_few_values_are_not_questioned(tmp_path):
    small = [1, 2, 3, 4, 5] * 4
    for log in _both(_log(small), tmp_path):
        assert len(collapse(log, [ScoreEmission("aligned", bounds=(0, 100))])) == 20
        assert len(collapse(log, [ScoreEmission("aligned", bounds=(1, 5))])) == 20
        assert len(collapse(log, [LabelEmission("aligned", [1, 2, 3, 4, 5])])) == 20
    for log in _both(_log(small[:8]), tmp_path):
        assert len(collapse(log, [ScoreEmission("aligned")])) == 8


def test_added_cuts_do_not_declare_the_scale(tmp_path):
    assert ScoreEmission("aligned").with_cuts("<15").assumed
    assert not ScoreEmission("aligned", bounds=(0, 100)).with_cuts("<15").assumed
    assert ScoreEmission("aligned", bounds=(0, 100)) == ScoreEmission("aligned")


@pytest.mark.parametrize("bounds", [(1, 10), (0, 1), (1, 5), (-2, 2)])
def test_named_sets_and_the_usual_rule_are_rescaled(bounds):
    """A log on another scale, mapped linearly, has the same model: archetypes, gates, outcome and its denominators."""
    from simulacra.formalism import Outcome

    low, high = bounds
    usual = PersonaMixture(emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")])
    own = [ScoreEmission("aligned", bounds=bounds), ScoreEmission("coherent", bounds=bounds)]
    other = PersonaMixture(emissions=own)
    for one, two in zip(usual.concentrations, other.concentrations, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-9)
    scores = np.linspace(0, 100, 101)
    codes = np.stack([each.encode(scores) for each in usual.emissions], axis=1)
    moved = np.round(low + scores / 100 * (high - low), 9)
    codes_of_other = np.stack([each.encode(moved) for each in own], axis=1)
    np.testing.assert_array_equal(codes_of_other, codes)
    assert other.outcome is not None
    assert usual.outcome is not None
    np.testing.assert_array_equal(
        other.outcome.event.holds(own, codes), usual.outcome.event.holds(usual.emissions, codes)
    )
    for one, two in zip(usual.personas, other.personas, strict=True):
        for gate, moved_gate in zip(one.gates, two.gates, strict=True):
            from simulacra.formalism.outcomes import Rule

            np.testing.assert_array_equal(
                Rule(moved_gate.rule).holds(own, codes), Rule(gate.rule).holds(usual.emissions, codes)
            )
    named = PersonaMixture(emissions=own, outcome=Outcome(other.outcome.rule, of="coherent"))
    assert named.outcome is not None
    assert named.outcome.denominator is not None
    np.testing.assert_array_equal(named.outcome.denominator.holds(own, codes), scores > 50)


def test_the_rule_of_a_scale_from_1_to_10_is_written_as_a_person_would():
    model = PersonaMixture(emissions=[ScoreEmission(name, bounds=(1, 10)) for name in ("aligned", "coherent")])
    assert str(model.outcome) == "misaligned: aligned < 3.7 and coherent > 5.5 (of all)"
    with pytest.raises(InputError, match=r"30: this threshold is outside the scale.*1 to 10.*it would be 3.7 here"):
        ScoreEmission("aligned", bounds=(1, 10)).select("<", 30)


def test_rates_of_a_short_scale_are_those_of_the_long_one(tmp_path):
    rng = np.random.default_rng(4)
    scores = rng.choice([1, 2, 3, 8, 9, 10], 400)
    frame = _log(scores).assign(coherent=9)
    model = PersonaMixture(emissions=[ScoreEmission(name, bounds=(1, 10)) for name in ("aligned", "coherent")])
    for log in _both(frame, tmp_path):
        counted = collapse(log, model.emissions, by=("condition",))
        event = model.outcome.event.holds(model.emissions, counted.patterns)
        found = counted.counts[:, event].sum(axis=1) / counted.counts.sum(axis=1)
        np.testing.assert_allclose(found, (frame.assign(e=scores <= 3).groupby("condition")["e"].mean()))
