"""Windows: weights against the exact posterior, alarms and false alarms, and refusals."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import special

from simulacra.analysis import Monitor, monitoring, update
from simulacra.analysis.monitoring import _departure
from simulacra.data import CollapsedLog, collapse, read_completions
from simulacra.formalism import Archetype, LabelEmission, Persona, PersonaMixture
from simulacra.formalism.mixture import component_probabilities
from simulacra.inference import Result
from simulacra.inference.known_personas import sample_weights
from tests.inference.conftest import WEIGHTS, Simulated

SIZE, WINDOWS = 1000, 50
COLUMNS = ["condition", "question_id", "completion", "aligned", "coherent"]


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alarms hardly depend on the number of draws."""
    monkeypatch.setattr(monitoring, "_DRAWS", 100)


@pytest.fixture(scope="module")
def windows(simulated: Simulated) -> tuple[CollapsedLog, np.ndarray]:
    """Counts to fill in, with every pattern, and the true shares of the patterns in the condition ``mild``."""
    emissions = simulated.model.emissions
    sizes = [len(own.categories) for own in emissions]
    patterns = np.stack(np.unravel_index(np.arange(np.prod(sizes)), sizes), axis=1)
    own = collapse(simulated.log.select(condition="mild"), emissions)
    cells = own.cells.iloc[:1].reset_index(drop=True)
    empty = dataclasses.replace(
        own,
        cells=cells,
        patterns=patterns,
        counts=np.zeros((1, len(patterns)), dtype=int),
        row_cell=None,
        row_pattern=None,
    )
    shares = simulated.truth.weights @ component_probabilities(simulated.truth.probabilities, patterns)
    chosen = (simulated.truth.cells["condition"] == "mild").to_numpy()
    return empty, shares[chosen].mean(axis=0)


def window(windows: tuple[CollapsedLog, np.ndarray], seed: int, planted: tuple[int, ...] | None = None) -> CollapsedLog:
    """A window from the truth; 3% of its completions have the pattern ``planted`` instead."""
    empty, shares = windows
    rng = np.random.default_rng([seed, 9])
    new = 0 if planted is None else int(0.03 * SIZE)
    counts = rng.multinomial(SIZE - new, shares)
    if planted is not None:
        counts[(empty.patterns == planted).all(axis=1)] += new
    return dataclasses.replace(empty, counts=counts[None])


def test_weights_have_the_posterior_of_the_mixture(rng: np.random.Generator) -> None:
    """Two personas, whose posterior is a density on a line; its mean and standard deviation to 4 standard errors."""
    components, counts = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]), np.array([30.0, 12.0, 9.0])
    grid = (np.arange(4000) + 0.5) / 4000
    log_density = (np.log(np.outer(grid, components[0]) + np.outer(1 - grid, components[1])) @ counts) - 0.5 * (
        np.log(grid) + np.log1p(-grid)
    )
    density = special.softmax(log_density)
    mean = density @ grid
    deviation = np.sqrt(density @ (grid - mean) ** 2)
    drawn = sample_weights(counts, np.tile(components, (4000, 1, 1)), rng, concentration=0.5)[:, 0]
    assert drawn.mean() == pytest.approx(mean, abs=4 * deviation / np.sqrt(4000))
    assert drawn.std() == pytest.approx(deviation, rel=4 / np.sqrt(8000))


@pytest.mark.long
def test_fifty_windows_without_change_raise_at_most_one_alarm(
    fitted: Result, windows: tuple[CollapsedLog, np.ndarray], few_draws: None
) -> None:
    monitor: Result | Monitor = fitted
    for seed in range(WINDOWS):
        monitor = update(monitor, window(windows, seed))
    assert isinstance(monitor, Monitor)
    assert len(monitor.alarms) <= 1
    table = monitor.table()
    assert (table["unexplained"] < 0.02).all()
    assert table["level"].sum() < 0.05
    assert (np.diff(table["level"]) < 0).all()


@pytest.mark.long
def test_new_behaviour_in_three_of_a_hundred_completions_is_noticed(
    fitted: Result, windows: tuple[CollapsedLog, np.ndarray], few_draws: None
) -> None:
    """Answers that no judge can score, which no persona gives, at the level of the last of fifty windows."""
    nothing = tuple(len(own.categories) - 1 for own in fitted.model.emissions)
    monitor, noticed = update(fitted, window(windows, 0)), 0
    before = dataclasses.replace(monitor, windows=monitor.windows * (WINDOWS - 1))
    for seed in range(1, WINDOWS + 1):
        last = update(before, window(windows, seed, nothing)).windows[-1]
        noticed += last.alarm and last.excess.startswith("aligned missing, coherent missing: 3")
    assert noticed >= 45


def test_a_window_is_estimated_from_its_own_completions(simulated: Simulated, fitted: Result) -> None:
    log = simulated.log.select(condition="bad")
    monitor = update(update(fitted, log), simulated.log.select(condition="mild"), name="later")
    weights = monitor.weights().set_index(["window", "persona"])
    own = fitted.weights().set_index(["condition", "persona"])
    for persona, weight in zip(fitted.personas, WEIGHTS["bad"], strict=True):
        row = weights.loc[("window 1", persona)]
        assert row["mean"] == pytest.approx(own.loc[("bad", persona), "mean"], abs=0.03)
        assert row["mean"] == pytest.approx(weight, abs=0.12)
        assert row["eti89_lb"] < row["mean"] < row["eti89_ub"]
        assert row["shift_lb"] < 0 < row["shift_ub"]  # of the same completions
    draws = monitor.windows[0].weights
    np.testing.assert_allclose(draws.sum("persona"), 1)
    table = monitor.table().set_index("window")
    rates = fitted.rates().set_index("condition")
    assert table.loc["window 1", "rate"] == pytest.approx(rates.loc["bad", "rate"], abs=0.02)
    assert table.loc["later", ["events", "total"]].tolist() == rates.loc["mild", ["events", "total"]].tolist()
    assert table["new_questions"].tolist() == [0, 0]
    row, cited = weights.loc[("later", "misaligned")], monitor.cite("weight", "later", "misaligned")
    assert (cited.value, cited.lower, cited.upper) == (row["mean"], row["eti89_lb"], row["eti89_ub"])
    assert (cited.key, cited.scope) == ("weight[later, misaligned]", "on the questions of window later")
    assert cited.provenance.data_hash == monitor.windows[1].content_hash != fitted.provenance().data_hash
    assert monitor.cite("rate", "later").value == table.loc["later", "rate"]


def test_weights_of_a_window_with_an_alarm_are_withheld(
    fitted: Result, windows: tuple[CollapsedLog, np.ndarray]
) -> None:
    nothing = tuple(len(own.categories) - 1 for own in fitted.model.emissions)
    monitor = update(fitted, window(windows, 1, nothing), name="odd")
    assert monitor.weights()["status"].eq("withheld: behaviour that no persona describes").all()
    assert monitor.weights()["mean"].isna().all()
    assert "alarms: odd" in repr(monitor)
    with pytest.raises(ValueError, match=r"weight\[odd, aligned\] is withheld: behaviour that no persona describes"):
        monitor.cite("weight", "odd", "aligned")
    assert 0 < monitor.cite("rate", "odd").value < 1


def test_rare_bins_that_happen_to_be_hit_raise_no_alarm(fitted: Result) -> None:
    """A thousand patterns with half a completion expected: those without one count among the tests as well."""
    rng = np.random.default_rng(8)
    patterns = np.stack(np.unravel_index(np.arange(1000), (10, 10, 10)), axis=1)
    shares = np.full(1000, 5e-4)
    shares[0] = 1 - shares[1:].sum()
    emissions = [LabelEmission(name, list(range(9))) for name in "abc"]
    personas = [
        Persona(n, "", {"a": Archetype(tuple(range(9)), m)}) for n, m in (("x", (1,) * 9), ("y", (9, *(1,) * 8)))
    ]
    wide = PersonaMixture(personas, emissions=emissions)
    p_values = [
        _departure(wide, patterns, np.stack([rng.multinomial(1000, shares)] * 2), np.tile(shares, (5, 2, 1)))[0]
        for _ in range(20)
    ]
    assert (np.array(p_values) < 0.02).sum() <= 2  # 0.4 expected at most


def test_the_shift_from_a_withheld_reference_is_withheld(simulated: Simulated, fitted: Result) -> None:
    check = next(own for own in fitted.checks if own.name == "unexplained share" and own.condition == "base")
    checks = tuple(dataclasses.replace(own, passed=False) if own is check else own for own in fitted.checks)
    monitor = update(
        dataclasses.replace(fitted, checks=checks), simulated.log.select(condition="mild"), reference="base"
    )
    assert monitor.weights()["mean"].notna().all()
    assert monitor.weights()["shift"].isna().all()
    with pytest.raises(ValueError, match=r"shift\[window 1, aligned\] is withheld"):
        monitor.cite("shift", "window 1", "aligned")


FAILED = {
    # check of the fit: (status of the row of the window, what is withheld of it, status of its weights)
    "divergences": ("alarm withheld: divergences failed", ["unexplained", "p_value", "alarm"], "withheld: divergences"),
    "baseline": (
        "rate withheld: baseline failed; alarm withheld: baseline failed",
        ["rate", "eti89_lb", "eti89_ub", "unexplained", "p_value", "alarm"],
        "withheld: baseline",
    ),
    "name: misaligned": ("ok", [], "withheld: name: misaligned"),
    "rates: r_hat": ("ok", [], "none"),  # of the rate model of the fit, which a window does not use
}


@pytest.mark.parametrize("name", FAILED)
def test_a_failed_check_of_the_fit_withholds_what_depends_on_it(
    name: str, simulated: Simulated, fitted: Result
) -> None:
    status, withheld, of_weights = FAILED[name]
    assert name in [own.name for own in fitted.checks]
    checks = tuple(dataclasses.replace(own, passed=own.name != name) for own in fitted.checks)
    monitor = update(dataclasses.replace(fitted, checks=checks), simulated.log.select(condition="mild"), name="w")
    row = monitor.table().iloc[0]
    assert row["status"] == status
    assert [own for own in row.index if pd.isna(row[own])] == withheld
    weights = monitor.weights().set_index("persona")
    affected = weights[weights["status"] != "ok"]
    assert affected["status"].str.startswith(of_weights).all()
    assert affected.index.tolist() == {"name: misaligned": ["misaligned"], "rates: r_hat": []}.get(
        name, list(fitted.personas)
    )
    assert ("withheld: divergences failed" in repr(monitor)) == (name == "divergences")
    assert ("withheld: divergences failed" in repr(monitor.windows[0])) == (name == "divergences")
    if "rate" in withheld:
        with pytest.raises(ValueError, match=r"rate\[w\] is withheld: baseline failed"):
            monitor.cite("rate", "w")
    else:
        assert monitor.cite("rate", "w").value == row["rate"]


def test_emissions_that_have_not_converged_withhold_alarms(simulated: Simulated, fitted: Result) -> None:
    """Thresholds that no fit meets."""
    settings = {**fitted.settings, "thresholds": {**fitted.settings["thresholds"], "r_hat": 1.0, "ess": 1e9}}
    strict = dataclasses.replace(fitted, settings=settings)
    row = update(strict, simulated.log.select(condition="mild")).table().iloc[0]
    assert row["status"].split("; ")[-1].startswith("alarm withheld: R-hat")
    assert pd.isna(row["alarm"])


def test_new_questions_are_counted(simulated: Simulated, fitted: Result) -> None:
    table = simulated.log.select(condition="mild").table[COLUMNS]
    log = read_completions(table.assign(question_id=table["question_id"].replace({"q1": "q9"})))
    assert update(fitted, log).table()["new_questions"].tolist() == [1]
    assert update(fitted, log).windows[0].new_questions == ("q9",)


def test_errors_say_what_is_wrong(simulated: Simulated, fitted: Result) -> None:
    log = simulated.log.select(condition="mild")
    table = log.table[COLUMNS]
    with pytest.raises(ValueError, match="the window has the conditions bad, base, mild; expected completions of one"):
        update(fitted, simulated.log)
    with pytest.raises(ValueError, match="the scale was assumed to be 0 to 100"):
        update(fitted, read_completions(table.assign(aligned=table["aligned"] / 10)))
    with pytest.raises(ValueError, match="aligned"):
        update(fitted, read_completions(table.assign(aligned=table["aligned"] + 50)))
    with pytest.raises(ValueError, match="coherent"):
        update(fitted, read_completions(table.drop(columns="coherent")))
    monitor = update(fitted, log)
    with pytest.raises(ValueError, match="there is already a window 'window 1'"):
        update(monitor, log, name="window 1")
    with pytest.raises(ValueError, match="reference and alpha are those of the first window"):
        update(monitor, simulated.log.select(condition="bad"), alpha=0.1)
    with pytest.raises(ValueError, match="alpha is 2"):
        update(fitted, log, alpha=2.0)
    with pytest.raises(ValueError, match="no condition 'worse' in the fit; expected one of base, bad, mild"):
        update(fitted, log, reference="worse")
    with pytest.raises(ValueError, match="there is no 'rate' of the event in window 'x'; expected 'rate', or"):
        monitor.cite("rate", "x")
    with pytest.raises(ValueError, match=r"no 'rate' of the event without a window; expected .* in one of 'window 1'"):
        monitor.cite("rate")
    counts = collapse(log, fitted.model.emissions[:1])
    with pytest.raises(ValueError, match="the counts are of aligned, in categories that are not those of the fit"):
        update(fitted, counts)
