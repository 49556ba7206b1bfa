"""What weights depend on: the concentration of the archetypes, and shifts without a difference in outcome."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from simulacra.formalism import Archetype, LabelEmission, Persona, PersonaMixture, ScoreEmission, persona_set
from simulacra.inference import Result, Thresholds
from simulacra.inference.marks import (
    CONDITION_DRIVEN,
    PRIOR_DRIVEN,
    PURITY_DRIVEN,
    SAME_OUTCOME,
    is_marked,
    marked,
    marked_prior,
    same_outcome,
)
from simulacra.inference.sensitivity import implied_sensitivity, outcome_sensitivity, prior_sensitivity
from simulacra.inference.tables import CI_PROB, Terms

_MODEL = PersonaMixture(
    [
        Persona("yes", "Says yes.", {"grade": Archetype((1, 2), (8, 2), missing=0.0, concentration=10.0)}),
        Persona("any", "Says anything.", {}),
    ],
    emissions=[LabelEmission("grade", [1, 2])],
)


def _posterior(weights: np.ndarray, grade: np.ndarray) -> xr.Dataset:
    return xr.Dataset(
        {
            "weights": (("chain", "draw", "condition", "persona"), weights),
            "grade_probs": (("chain", "draw", "persona", "grade_category"), grade),
        },
        coords={"condition": ["base"], "persona": ["yes", "any"]},
    )


def test_weights_respond_to_the_concentration_as_a_conjugate_posterior_does(rng: np.random.Generator) -> None:
    """A weight that is the emission itself, θ ~ Beta(80 + 8c, 40 + 2c): the slope of its mean at c = 1 is known."""
    theta = rng.beta(88, 42, size=(4, 25_000))
    grade = np.stack([np.stack([theta, 1 - theta, np.full_like(theta, 1e-9)], axis=-1)] * 2, axis=2)
    posterior = _posterior(np.stack([theta, 1 - theta], axis=-1)[:, :, None], grade)
    found = prior_sensitivity(posterior["weights"], posterior, _MODEL)
    assert found.dims == ("factor", "condition", "persona")
    slope = (8 * 130 - 10 * 88) / 130**2
    moved = found.sel(condition="base", persona="yes").to_numpy() - theta.mean()
    np.testing.assert_allclose(moved, slope * np.log([0.5, 2.0]), rtol=0.05)
    np.testing.assert_allclose(found.sum("persona"), 1, atol=1e-12)


def test_only_archetypes_have_a_concentration(rng: np.random.Generator) -> None:
    """The persona without an archetype has a flat prior, which does not change."""
    theta = rng.beta(2, 3, size=(2, 500))
    grade = np.full((2, 500, 2, 3), 1 / 3)
    grade[:, :, 1] = np.stack([theta, (1 - theta) / 2, (1 - theta) / 2], axis=-1)
    posterior = _posterior(np.stack([theta, 1 - theta], axis=-1)[:, :, None], grade)
    found = prior_sensitivity(posterior["weights"], posterior, _MODEL)
    np.testing.assert_allclose(found.isel(factor=0), found.isel(factor=1), atol=1e-12)


def test_without_archetypes_personas_do_what_their_completions_show_and_imply_the_observed_rates(
    fitted: Result,
) -> None:
    """Attributed completions are those of the log: their events add up to all events, up to dependence of the scores.

    A persona that explains hardly anything has Jeffreys' prior for its event, with the mean ½.
    """
    outcome, posterior, prepared = fitted.model.outcome, fitted.posterior, fitted.prepared
    assert outcome is not None
    draws = fitted.draws("outcome_given_persona")
    acts = outcome_sensitivity(draws, outcome, posterior, prepared)
    assert acts.dims == ("factor", "persona")
    xr.testing.assert_allclose(acts.sel(factor=[0.5, 2.0]), prior_sensitivity(draws, posterior, fitted.model))
    responsible = fitted.responsibilities().sum()
    rates = fitted.rates().set_index("condition")
    events = acts.sel(factor=0).to_series() * responsible
    assert events.sum() == pytest.approx(rates["events"].sum(), abs=0.02 * rates["total"].sum())
    implied = implied_sensitivity(fitted._quantities.implied(outcome, "these")[0], outcome, posterior, prepared)
    assert implied.dims == ("factor", "group")
    alone = implied.sel(factor=0).to_series().to_numpy() * rates["total"]
    assert alone.sum() == pytest.approx(rates["events"].sum(), abs=0.02 * rates["total"].sum())


def test_what_the_archetype_alone_says_is_marked(fitted: Result) -> None:
    """Archetypes worth a million completions: P(outcome | persona) stays theirs whatever their concentration."""
    assert not fitted.outcome_given_persona()["status"].str.contains("prior-driven").any()
    assert set(fitted.rates()["implied_status"]) == set(fitted.contrasts()["implied_status"]) == {"ok"}
    tree = fitted.tree.copy()
    posterior = tree["posterior"].to_dataset()
    tree["posterior"] = xr.DataTree(posterior.assign(outcome_given_persona=0.5 * posterior["outcome_given_persona"]))
    result = dataclasses.replace(fitted, tree=tree)
    known = result.outcome_given_persona().set_index("persona")["status"]
    assert known["misaligned"].startswith("prior-driven (")
    rows = result.emissions().query("measurement == 'outcome_given_persona'").set_index("persona")["status"]
    pd.testing.assert_series_equal(rows, known)
    assert "prior-driven" in str(result.cite("outcome_given_persona[misaligned]"))


def test_an_estimate_that_leaves_its_interval_without_archetypes_is_marked() -> None:
    table = pd.DataFrame({"low": [0.1, 0.1, np.nan], "high": 0.3, "implied_status": ["ok", "ok", "withheld: r_hat"]})
    means = np.array([[0.2, 0.2, 0.2], [0.2, 0.4, 0.4]])
    found = marked_prior(table, means, ("low", "high"), "implied_status")["implied_status"].tolist()
    assert found == ["ok", "prior-driven (0.200 to 0.400)", "withheld: r_hat"]


_TABLE = pd.DataFrame(
    {
        "condition": "a",
        "persona": ["aligned", "mid", "misaligned", "incoherent"],
        "eti89_lb": [0.1, 0.1, -0.1, np.nan],
        "eti89_ub": [0.3, 0.3, 0.1, np.nan],
        "status": ["ok", "ok", "small: below 0.01, not checked", "withheld: r_hat failed"],
    }
)


def _statuses(moved: list[list[float]], **marks: object) -> list[str]:
    coords = {"factor": [0.5, 2.0], "condition": ["a"], "persona": _TABLE["persona"].to_numpy()}
    sensitivity = xr.DataArray(np.array(moved)[:, None], dims=tuple(coords), coords=coords)
    own = {"absent": (), **marks}
    moves = {PRIOR_DRIVEN: sensitivity}
    return marked(_TABLE, moves, Terms((), Thresholds(), CI_PROB), **own)["status"].tolist()  # type: ignore[arg-type]


def test_estimates_that_leave_their_interval_are_prior_driven() -> None:
    found = _statuses([[0.09, 0.11, 0.0, 0.0], [0.2, 0.29, 0.11, 0.0]])
    assert found == ["prior-driven (0.090 to 0.200)", "ok", "prior-driven (0.000 to 0.110)", "withheld: r_hat failed"]
    assert _statuses([[0.2, 0.2, -0.2, 0.0], [0.2, 0.31, 0.0, 0.0]])[1:3] == [
        "prior-driven (0.200 to 0.310)",
        "prior-driven (−0.200 to 0.000)",
    ]


def test_the_purity_extends_intervals_that_are_shown_and_nothing_else_does() -> None:
    coords = {"alternative": [0, 1], "condition": ["a"], "persona": _TABLE["persona"].to_numpy()}
    means = xr.DataArray([[[0.05, 0.15, 0.2, 0.5]], [[0.2, 0.25, 0.0, 0.6]]], dims=tuple(coords), coords=coords)
    terms = Terms((), Thresholds(), CI_PROB)
    found = marked(_TABLE, {PURITY_DRIVEN: means}, terms, absent=())
    assert found["eti89_lb"].tolist() == pytest.approx([0.05, 0.1, -0.1, np.nan], nan_ok=True)
    assert found["eti89_ub"].tolist() == pytest.approx([0.3, 0.3, 0.2, np.nan], nan_ok=True)
    assert found["status"].tolist() == [
        "purity-driven (0.050 to 0.200)",
        "ok",
        "purity-driven (0.000 to 0.200)",
        "withheld: r_hat failed",
    ]
    others = marked(_TABLE, {PRIOR_DRIVEN: means, CONDITION_DRIVEN: means}, terms, absent=())
    limits = ["eti89_lb", "eti89_ub"]
    pd.testing.assert_frame_equal(others[limits], _TABLE[limits])
    assert marked(_TABLE[:0], {PURITY_DRIVEN: means}, terms, absent=()).empty


def test_only_marks_are_marks() -> None:
    assert is_marked("prior-driven (0.090 to 0.200)")
    assert is_marked(f"condition-driven (0.1 to 0.2); {SAME_OUTCOME}")
    assert not any(map(is_marked, ("ok", "small: below 0.01, not checked", "withheld: r_hat failed")))


def test_marks_are_joined_and_withhold_nothing() -> None:
    moved = [[0.2, 0.2, 0.0, 0.0], [0.2, 0.4, 0.0, 0.0]]
    same = {"a": ("aligned", "mid", "misaligned")}
    found = _statuses(moved, absent=("misaligned", "incoherent"), same=same)
    assert found[0] == SAME_OUTCOME
    assert found[1] == f"prior-driven (0.200 to 0.400); {SAME_OUTCOME}"
    assert found[2] == "absent: hardly any completions are attributed to this persona"  # its interval contains zero
    assert found[3] == "withheld: r_hat failed"


def _rates(events: dict[str, int], judged: dict[str, float], rng: np.random.Generator) -> xr.Dataset:
    """One question, 400 completions in every condition; the posterior of a rate is close to its conjugate one."""
    names = list(events)
    shares = np.stack([rng.beta(0.5 + own, 400.5 - own, size=(2, 500)) for own in events.values()], axis=-1)
    return xr.Dataset(
        {
            "logits": (("chain", "draw", "group", "base_question"), np.log(shares / (1 - shares))[..., None]),
            "location": (("chain", "draw", "group"), np.zeros_like(shares)),
            "totals": (("group", "base_question"), np.full((len(names), 1), 400)),
            "judged": ("group", [judged.get(name, 1.0) for name in names]),
        },
        coords={"condition": ("group", names), "base_question": ["q"]},
    )


def test_shifts_come_without_a_difference_in_outcome_where_no_rate_is_claimed_to_differ(
    rng: np.random.Generator,
) -> None:
    model = PersonaMixture(
        persona_set("emergent-misalignment"), emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")]
    )
    events = {"base": 2, "scale": 3, "harm": 90, "mute": 1}
    rates = _rates(events, {"mute": 0.3}, rng)
    found = same_outcome(rates, model, model.names, 0.89)
    assert found == {"scale": ("aligned", "misaligned", "mid")}  # not those that a score or its absence shows
    assert same_outcome(_rates(events, {"base": 0.3}, rng), model, model.names, 0.89) == {}


@pytest.fixture(scope="module")
def insensitive(fitted: Result) -> Callable[..., Result]:
    """The shared fit, had its weights moved to given values at other concentrations, or had it lost its absent."""

    def changed(moved: float) -> Result:
        tree = fitted.tree.copy()
        own = tree["sensitivity"].to_dataset()
        tree["sensitivity"] = xr.DataTree(own.assign(weights=own["weights"] + moved))
        return dataclasses.replace(fitted, tree=tree)

    return changed


def test_a_prior_driven_weight_says_so_in_its_table_and_citation(
    fitted: Result, insensitive: Callable[..., Result]
) -> None:
    assert not fitted.weights()["status"].str.contains("prior-driven").any()
    result = insensitive(0.2)
    assert result.weights()["status"].str.startswith("prior-driven (").all()
    assert result.weights()["mean"].notna().all()
    assert "prior-driven" in str(result.cite("weight[bad, misaligned]"))
    assert not result.shifts()["status"].str.contains("prior-driven").any()  # they move with the baseline


def test_a_weight_that_its_own_condition_defines_says_so(fitted: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not fitted.weights()["status"].str.contains("condition-driven").any()
    result = dataclasses.replace(fitted)
    moved = result._quantities.weights_moved(0.89)["condition-driven"].copy()
    moved.loc[{"left_out": "base", "condition": "base"}] += 0.2
    monkeypatch.setattr("simulacra.inference.quantities.of_conditions", lambda *_: moved)
    driven = result.weights().set_index("condition")["status"].str.startswith("condition-driven (")
    assert driven["base"].all()
    assert not driven.drop("base").any()
    pd.testing.assert_frame_equal(result.weights().drop(columns="status"), fitted.weights().drop(columns="status"))
    assert result.shifts()["status"].str.startswith("condition-driven (").all()  # they are relative to the baseline


def test_a_shift_without_a_claim_says_so_in_its_table_and_citation(
    fitted: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    shifts = fitted.shifts().set_index(["condition", "persona"])["status"]
    assert shifts["bad", "misaligned"] == "ok"
    monkeypatch.setattr("simulacra.inference.marks.claim", lambda lower, upper, **_: "undecided")
    result = dataclasses.replace(fitted)
    shifts = result.shifts().set_index(["condition", "persona"])["status"]
    assert shifts["bad", "misaligned"] == SAME_OUTCOME
    assert SAME_OUTCOME in str(result.cite("shift[bad, misaligned]"))
