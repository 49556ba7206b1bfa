"""Every check can fail, says where, and passes what is sound."""

import re

import arviz_stats
import numpy as np
import pytest
import xarray as xr

from simulacra.formalism import ScoreEmission
from simulacra.inference import Check, Thresholds
from simulacra.inference.convergence import convergence
from simulacra.inference.diagnostics import (
    PERSONA_ESTIMATES,
    check_baseline,
    check_labels,
    check_misfit,
    check_rates,
    check_sampling,
    lacks_draws,
)

_CHAINS, _DRAWS = 4, 500


def _posterior(rng: np.random.Generator) -> xr.Dataset:
    """Independent draws of three weights (one of them tiny) in two conditions, a scale and a rate."""
    concentration = np.array([[80.0, 19.9, 0.1], [40.0, 59.9, 0.1]])
    weights = np.stack([rng.dirichlet(row, size=(_CHAINS, _DRAWS)) for row in concentration], axis=2)
    return xr.Dataset(
        {
            "weights": (("chain", "draw", "condition", "persona"), weights),
            "scale": (("chain", "draw", "term"), rng.lognormal(size=(_CHAINS, _DRAWS, 1))),
            "implied_rate": (("chain", "draw", "condition"), rng.beta(5, 50, size=(_CHAINS, _DRAWS, 2))),
        },
        coords={"condition": ["base", "bad"], "persona": ["a", "b", "c"], "term": ["1 | condition"]},
    )


def _stats(rng: np.random.Generator) -> xr.Dataset:
    shape = (_CHAINS, _DRAWS)
    return xr.Dataset(
        {
            "diverging": (("chain", "draw"), np.zeros(shape, dtype=bool)),
            "energy": (("chain", "draw"), rng.normal(size=shape)),
        }
    )


def _checks(posterior: xr.Dataset, stats: xr.Dataset, **thresholds: float) -> dict[str, Check]:
    found = convergence(posterior, [str(name) for name in posterior.data_vars])
    return {check.name: check for check in check_sampling(found, posterior, stats, Thresholds(**thresholds))}


def _slow(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Autocorrelated draws: a random walk that forgets slowly."""
    noise = rng.normal(size=shape)
    for draw in range(1, shape[1]):
        noise[:, draw] = 0.97 * noise[:, draw - 1] + 0.24 * noise[:, draw]
    return noise


def test_sound_draws_pass(rng: np.random.Generator) -> None:
    checks = _checks(_posterior(rng), _stats(rng))
    assert set(checks) == {"r_hat", "ess_bulk", "ess_tail", "divergences", "e_bfmi"}
    assert all(check.passed for check in checks.values()), [str(check) for check in checks.values()]


def test_the_remedy_says_that_a_weight_alternates_with_zero(rng: np.random.Generator) -> None:
    """One chain spends its first half near zero, as with a condition that may not contain the persona at all."""
    posterior = _posterior(rng)
    weights = posterior["weights"].to_numpy().copy()
    weights[2, :250, 0, 1] = 1e-5
    weights[2, :250, 0, 0] = 1 - weights[2, :250, 0, 1:].sum(axis=-1)
    failed = _checks(posterior.assign(weights=posterior["weights"].copy(data=weights)), _stats(rng))["r_hat"]
    assert failed.where in ("worst at weights[base, a]", "worst at weights[base, b]")
    assert failed.remedy.startswith("Some chains alternate between a weight near zero and a larger one")
    posterior["scale"][0] += 5
    assert _checks(posterior, _stats(rng))["r_hat"].remedy.startswith("Sample longer")


def test_convergence_is_arviz_stats(rng: np.random.Generator) -> None:
    posterior = _posterior(rng)
    found = convergence(posterior, ["weights", "scale"])
    assert list(found) == ["weights", "scale"]
    assert found["diagnostic"].to_numpy().tolist() == ["r_hat", "ess_bulk", "ess_tail"]
    for name in ("weights", "scale"):
        own = posterior[name]
        expected = [arviz_stats.rhat(own), arviz_stats.ess(own), arviz_stats.ess(own, method="tail", prob=(0.05, 0.95))]
        for ours, theirs in zip(found[name].transpose("diagnostic", ...), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    by_hand = posterior["scale"].to_numpy()[:, :, 0]
    expected = arviz_stats.summary({"scale": by_hand}, round_to="none")
    for column in ("r_hat", "ess_bulk"):
        assert float(found["scale"].sel(diagnostic=column).squeeze()) == pytest.approx(float(expected[column].iloc[0]))


def test_what_is_kept_follows_the_draws_and_not_their_names(rng: np.random.Generator) -> None:
    weights = _posterior(rng)["weights"]
    first = convergence(weights.to_dataset(name="own"), ["own"])["own"]
    renamed = weights.assign_coords(persona=[f"{name}?" for name in weights["persona"].to_numpy()])
    again = convergence(renamed.to_dataset(name="own"), ["own"])["own"]
    np.testing.assert_array_equal(again, first)
    assert again["persona"].to_numpy().tolist() == renamed["persona"].to_numpy().tolist()
    again[:] = 0.0  # what is handed out is a copy
    np.testing.assert_array_equal(convergence(weights.to_dataset(name="own"), ["own"])["own"], first)
    edited = weights.copy(deep=True)
    edited[0, 0, 0, 0] += 1.0
    found = convergence(edited.to_dataset(name="own"), ["own"])["own"]
    assert (found != first).any("diagnostic").sum() == 1


def test_draws_that_are_all_the_same_have_no_r_hat_and_do_not_fail(rng: np.random.Generator) -> None:
    posterior = _posterior(rng).assign(fixed=(("chain", "draw"), np.ones((_CHAINS, _DRAWS))))
    assert all(check.passed for check in _checks(posterior, _stats(rng)).values())


def test_chains_that_disagree_fail_and_are_named(rng: np.random.Generator) -> None:
    posterior = _posterior(rng)
    posterior["implied_rate"][0, :, 1] += 0.2
    check = _checks(posterior, _stats(rng))["r_hat"]
    assert not check.passed
    assert check.value > 1.01
    assert check.where == "worst at implied_rate[bad]"
    assert "FAILED" in str(check)
    assert check.remedy in str(check)


def test_draws_that_crawl_fail(rng: np.random.Generator) -> None:
    posterior = _posterior(rng)
    posterior["scale"][:] = np.exp(_slow(rng, _CHAINS, _DRAWS, 1))
    checks = _checks(posterior, _stats(rng))
    for name in ("ess_bulk", "ess_tail"):
        assert not checks[name].passed
        assert checks[name].where == "worst at scale[1 | condition]"


def test_weights_near_zero_are_not_gated_but_others_are(rng: np.random.Generator) -> None:
    posterior = _posterior(rng)
    posterior["weights"][:, :, 0, 2] = 1e-3 * np.exp(0.1 * _slow(rng, _CHAINS, _DRAWS))
    assert _checks(posterior, _stats(rng))["ess_bulk"].passed
    assert not _checks(posterior, _stats(rng), small_weight=1e-4)["ess_bulk"].passed


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_draws_that_are_no_numbers_fail(bad: float, rng: np.random.Generator) -> None:
    posterior = _posterior(rng)
    posterior["implied_rate"][1, 7, 0] = bad
    checks = _checks(posterior, _stats(rng))
    assert not all(check.passed for check in checks.values())


def test_one_divergence_fails(rng: np.random.Generator) -> None:
    stats = _stats(rng)
    stats["diverging"][2, 100] = True
    check = _checks(_posterior(rng), stats)["divergences"]
    assert not check.passed
    assert check.value == 1
    assert "target_accept_prob" in check.remedy
    assert check.argument == ("target_accept_prob",)


def test_energy_that_crawls_fails_and_is_betancourts_ratio(rng: np.random.Generator) -> None:
    stats = _stats(rng)
    stats["energy"][3] = _slow(rng, 1, _DRAWS)[0]
    check = _checks(_posterior(rng), stats)["e_bfmi"]
    assert not check.passed
    assert check.where == "chain 3"
    energy = stats["energy"][3].to_numpy()
    expected = np.square(np.diff(energy)).mean() / np.square(energy - energy.mean()).mean()
    assert check.value == pytest.approx(expected * (len(energy) - 1) / len(energy))  # ArviZ's variance has n - 1
    assert check.value == pytest.approx(float(arviz_stats.bfmi(stats)["energy"][3]))


# --- labels ---------------------------------------------------------------------------------------------------------


def test_labels_that_were_corrected_in_many_draws_fail(rng: np.random.Generator) -> None:
    """Half of a chain exchanged two personas: R-hat of the emissions shows it before the correction only."""
    after = rng.dirichlet([90.0, 10.0], size=(_CHAINS, _DRAWS, 2))
    after[:, :, 1] = after[:, :, 1, ::-1]
    before = after.copy()
    before[0, : _DRAWS // 2] = after[0, : _DRAWS // 2, ::-1]
    switched = np.array([_DRAWS // 2, 0, 0, 0])
    check = check_labels(switched, [before], [after], Thresholds())
    assert not check.passed
    assert check.value == pytest.approx(1 / 8)
    assert re.search(r"250 of 2.000 draws; .* (1\.[1-9]\d|[2-9]\.\d\d) before the correction, 1\.00 after", check.where)
    assert check.withholds == PERSONA_ESTIMATES
    few = check_labels(np.array([20, 0, 0, 0]), [before], [after], Thresholds())
    assert few.passed
    assert few.value == 0.01
    assert check_labels(np.zeros(4), [after], [after], Thresholds()).where == "no draw"
    assert check_labels(switched, [before], [after], Thresholds(switched=0.2)).passed


# --- what the personas leave unexplained ----------------------------------------------------------------------------


def test_a_condition_fails_if_its_unexplained_share_is_large_and_no_chance() -> None:
    found = xr.Dataset(
        {"unexplained": ("group", [0.01, 0.05, 0.05]), "p_value": ("group", [0.0, 0.2, 0.01])},
        coords={"condition": ("group", ["small", "chance", "bad"]), "trigger": ("group", ["off", "off", "on"])},
    )
    checks = check_misfit(found, Thresholds())
    assert [check.passed for check in checks] == [True, True, False]
    assert checks[2].condition == "bad"
    assert checks[2].withholds == ("weights", "shifts")
    assert checks[2].where == "bad, trigger=on: p = 0.010"
    assert all(check.passed for check in check_misfit(found, Thresholds(unexplained=0.06)))
    assert [check.passed for check in check_misfit(found, Thresholds(misfit_p=0.25))] == [True, False, False]


# --- rates ----------------------------------------------------------------------------------------------------------


def test_rates_have_checks_of_their_own_that_name_the_worst() -> None:
    table = np.array([[[1.0, 1.02], [1.0, np.nan]], [[900, 800], [700, np.nan]], [[900, 300], [700, np.nan]]])
    diagnostics = xr.DataArray(
        table,
        dims=("diagnostic", "scope", "group"),
        coords={
            "diagnostic": ["r_hat", "ess_bulk", "ess_tail"],
            "scope": ["these", "new"],
            "condition": ("group", ["base", "bad"]),
        },
    )
    checks = check_rates(diagnostics, Thresholds())
    assert [check.name for check in checks] == ["rates: r_hat", "rates: ess_bulk", "rates: ess_tail"]
    assert [check.passed for check in checks] == [False, True, False]
    assert checks[0].where == "worst at bad, these questions"
    assert checks[1].where == "worst at base, new questions"
    assert checks[2].value == 300
    assert {(check.withholds, check.each) for check in checks} == {(("rates", "contrasts"), True)}
    assert check_rates(diagnostics.where(False), Thresholds()) == []


@pytest.mark.parametrize(
    ("r_hat", "ess", "name", "lacks"),
    [
        (1.004, 900, 0.9, False),  # nothing failed
        (1.012, 900, 0.9, True),
        (1.004, 300, 0.9, True),
        (1.3, 20, 0.9, False),  # chains that disagree would go on to disagree
        (1.012, 300, 0.2, False),  # more draws do not find a persona
    ],
)
def test_more_draws_are_wanted_where_they_help(r_hat: float, ess: float, name: float, lacks: bool) -> None:
    checks = [
        Check("name: misaligned", name >= 0.6, name, 0.6, "", ""),
        Check("r_hat", r_hat <= 1.01, r_hat, 1.01, "", ""),
        Check("ess_bulk", ess >= 400, ess, 400, "", ""),
        Check("unexplained share", False, 0.5, 0.02, "", ""),  # which more draws do not change
        Check("rates: r_hat", False, 1.02, 1.01, "", ""),  # of other chains
    ]
    assert lacks_draws(checks) is lacks


@pytest.mark.parametrize(
    ("aligned", "coherent", "bounds", "passed"),
    [
        (90, 90, (0, 100), True),
        (5, 90, (0, 100), False),  # the direction, perhaps
        (90, 30, (0, 100), False),
        (9, 9, (0, 100), False),  # a scale from 1 to 10
        (9, 9, (1, 10), True),
        (2, 9, (1, 10), False),
    ],
)
def test_a_baseline_that_is_nearly_all_bad_fails_and_withholds_rates(
    aligned: int, coherent: int, bounds: tuple[int, int], passed: bool
) -> None:
    emissions = [ScoreEmission("aligned", bounds=bounds), ScoreEmission("coherent", bounds=bounds)]
    usual = [each.encode(np.array([aligned, 60 * bounds[1] / 100])) for each in emissions[:1]]
    patterns = np.stack([*usual, emissions[1].encode(np.array([coherent, bounds[1]]))], axis=1)
    (check,) = check_baseline(emissions, patterns, np.array([95, 5]), Thresholds())
    assert check.passed == passed
    assert {"rates", "contrasts", "weights", "shifts"} <= set(check.withholds)
    assert "Scale or direction?" in check.remedy
    (check,) = check_baseline(emissions, patterns, np.array([89, 11]), Thresholds())
    assert check.passed
    (check,) = check_baseline(emissions, patterns, np.array([95, 5]), Thresholds(baseline=1))
    assert check.passed
    assert check_baseline([ScoreEmission("evil")], patterns[:, :1], np.array([95, 5]), Thresholds()) == []
