"""Texts with log-likelihoods: what is taken from a log, what is refused and where, and what binning costs."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from simulacra.data import CompletionLog, LogError, collapse, read_completions, scan_completions
from simulacra.data.counting.texts import CollapsedTexts
from simulacra.formalism import LikelihoodEmission, ScoreEmission
from simulacra.formalism.density_ratios import texts_log_likelihood

_PERSONAS = ("helper", "villain")
_EMISSION = LikelihoodEmission(reference="elicited_by")


def _table(size: int = 12, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "condition": ["base", "tuned"] * (size // 2),
            "question_id": "q",
            "completion": [f"text {number}" for number in range(size)],
            "log_likelihood_helper": rng.normal(-90, 5, size),
            "log_likelihood_villain": rng.normal(-95, 5, size),
            "aligned": rng.choice([10.0, 95.0], size),
            "elicited_by": [*(None,) * (size - 4), "villain", "helper", "villain", "helper"],
        }
    )


def _read(table: pd.DataFrame) -> CompletionLog:
    names = [name for name in table if str(name).startswith("log_likelihood") or name == "aligned"]
    return read_completions(table, measurements=names, contexts=["elicited_by"])


def _texts(table: pd.DataFrame, emission: LikelihoodEmission = _EMISSION, emissions: tuple = ()) -> CollapsedTexts:
    texts = collapse(_read(table), emissions, likelihood=emission, personas=_PERSONAS).texts
    assert texts is not None
    return texts


def test_points_hold_differences_and_references_are_counted_in_no_cell() -> None:
    table = _table()
    collapsed = collapse(_read(table), [ScoreEmission("aligned")], likelihood=_EMISSION, personas=_PERSONAS)
    texts = collapsed.texts
    assert texts is not None
    assert len(collapsed) == texts.points.total.sum() == 8
    assert texts.points.reference_persona.tolist() == [1, 0, 1, 0]
    assert collapsed.row_cell is not None
    assert collapsed.row_cell.tolist() == [0, 1] * 4 + [-1] * 4
    assert texts.row_point is not None
    values = table[["log_likelihood_helper", "log_likelihood_villain"]].to_numpy()
    relative = values - values.max(axis=1, keepdims=True)
    np.testing.assert_allclose(texts.points.log_likelihoods[texts.row_point[:8]], relative[:8], atol=texts.bin_width)
    np.testing.assert_allclose(texts.points.reference_log_likelihoods, relative[8:], rtol=1e-12)


def test_labels_are_those_of_references_only() -> None:
    """Also where other rows are labelled, with anything."""
    judged = ["helper", "nobody", *(None,) * 6, "villain", None, "helper", "helper"]
    names, contexts = ["log_likelihood_helper", "log_likelihood_villain"], ["elicited_by", "judged"]
    emission = LikelihoodEmission(reference="elicited_by", label="judged")
    log = read_completions(_table().assign(judged=judged), measurements=names, contexts=contexts)
    texts = collapse(log, (), likelihood=emission, personas=_PERSONAS).texts
    assert texts is not None
    assert texts.points.reference_label.tolist() == [1, -1, 0, 0]
    log = read_completions(_table().assign(judged=judged[::-1]), measurements=names, contexts=contexts)
    with pytest.raises(LogError, match=r"record 11: .*the label of a reference 'nobody' is not a persona of the model"):
        collapse(log, (), likelihood=emission, personas=_PERSONAS)


def test_a_width_of_zero_keeps_every_text(rng: np.random.Generator) -> None:
    texts = _texts(_table(60), LikelihoodEmission(bin_width=0))
    assert texts.bound == 0
    assert len(texts.points.cell) == 60
    assert texts.rows is not None
    np.testing.assert_array_equal(
        np.sort(texts.rows.log_likelihoods, axis=0), np.sort(texts.points.log_likelihoods, axis=0)
    )


@pytest.mark.parametrize("width", [0.3, 3.0, 30.0])
def test_binning_moves_the_likelihood_by_no_more_than_its_bound(width: float, rng: np.random.Generator) -> None:
    """At every temperature, in total; the bound shrinks with the square of the temperature."""
    texts = _texts(_table(400), LikelihoodEmission("log_likelihood_{}", bin_width=width, reference="elicited_by"))
    assert texts.rows is not None
    assert len(texts.points.cell) < len(texts.rows.cell)
    evaluate, moved = jax.jit(texts_log_likelihood), []
    for temperature in (1.0, 0.3, 0.05):
        for _ in range(4):
            offset, log_w = rng.normal(size=2), jax.nn.log_softmax(jnp.asarray(rng.normal(size=(2, 2))), axis=1)
            calibration = jnp.asarray(temperature), jnp.asarray(offset), jnp.full(2, 0.9)
            state = (log_w, jnp.zeros((2, 1)), *calibration)
            gap = float(evaluate(texts.rows, *state) - evaluate(texts.points, *state))
            assert abs(gap) <= temperature**2 * texts.bound + 1e-8
            moved.append(abs(gap))
    assert max(moved) > 0


def test_the_width_is_the_widest_within_tolerance() -> None:
    """Half a nat; at twice the width the bound is beyond it."""
    texts = _texts(_table(2000))
    assert 0 < texts.bound <= 0.5
    twice = _texts(_table(2000), LikelihoodEmission(bin_width=2 * texts.bin_width, reference="elicited_by"))
    assert twice.bound > 0.5
    assert len(texts.points.cell) < 1996


def test_rows_without_likelihoods_say_nothing_and_are_counted() -> None:
    table = _table()
    table.loc[[0, 5, 9], ["log_likelihood_helper", "log_likelihood_villain"]] = np.nan
    texts = _texts(table)
    assert (texts.unscored, texts.unscored_references) == (2, 1)
    assert (texts.points.log_likelihoods[texts.points.scored == 0] == 0).all()
    assert len(texts.points.reference_persona) == 3


def test_a_persona_that_rules_a_text_out_is_far_below_and_finite() -> None:
    table = _table()
    table.loc[2, "log_likelihood_villain"] = -np.inf
    assert _texts(table).points.log_likelihoods.min() == -1e4


def test_counts_are_those_without_likelihoods() -> None:
    table = _table().assign(elicited_by=None)
    emissions = [ScoreEmission("aligned")]
    own = collapse(_read(table), emissions, likelihood=LikelihoodEmission(), personas=_PERSONAS)
    other = collapse(_read(table), emissions)
    np.testing.assert_array_equal(own.counts, other.counts)
    assert own.content_hash != other.content_hash


def _column(name: str, row: int, value: object) -> pd.DataFrame:
    table = _table()
    table[name] = [value if index == row else old for index, old in enumerate(table[name])]
    return table


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (_table().drop(columns="log_likelihood_villain"), "the log has no measurement 'log_likelihood_villain'"),
        (
            _table().drop(columns="elicited_by").assign(elicited_by=np.arange(12)),
            "'elicited_by': the reference '0' is no",
        ),
        (
            _column("log_likelihood_villain", 3, np.nan),
            r"record 4: column 'log_likelihood_villain': no log-likelihood, but other personas have one; expected all",
        ),
        (
            _column("log_likelihood_helper", 1, np.inf),
            r"record 2: column 'log_likelihood_helper': the largest log-likelihood of all personas is inf; expected a",
        ),
        (
            _table().assign(log_likelihood_helper=-np.inf, log_likelihood_villain=-np.inf),
            r"record 1: column 'log_likelihood_helper': the largest log-likelihood of all personas is -inf",
        ),
        (
            _column("elicited_by", 9, "vilain"),
            r"record 10: column 'elicited_by': the reference 'vilain' is not a persona .* "
            r"expected one of helper, villain",
        ),
        (_table().assign(elicited_by="helper"), "every row is a reference, so no completions are left"),
    ],
)
def test_refusals_say_where(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(LogError, match=message):
        _texts(table)


def test_words_are_no_likelihoods() -> None:
    table = _table().assign(log_likelihood_helper="high")
    with pytest.raises(LogError, match=r"record 1: column 'log_likelihood_helper': 'high' is not a log-likelihood"):
        _texts(table)


def test_scanned_logs_are_refused(tmp_path) -> None:
    _table().to_csv(tmp_path / "log.csv", index=False)
    log = scan_completions(tmp_path / "log.csv")
    with pytest.raises(LogError, match="cannot be counted by a scan; expected a log in memory; read the log with"):
        collapse(log, [ScoreEmission("aligned")], likelihood=_EMISSION, personas=_PERSONAS)
