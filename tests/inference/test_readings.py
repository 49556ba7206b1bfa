"""Two solutions of one log: found, sampled, compared; what they agree about is shown and the rest is withheld."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from simulacra.data import read_completions
from simulacra.formalism import Archetype, InputError, LabelEmission, Outcome, Persona, PersonaMixture
from simulacra.inference import Result, Thresholds, fit
from simulacra.inference.diagnostics import check_misfit, check_readings
from simulacra.inference.misfit import misfit_of_readings
from simulacra.inference.readings import compare_readings, distinct_readings, rival_modes
from simulacra.inference.sampling.initialise import Start
from simulacra.report import result_tables


def _start(evidence: float, *weights: float) -> Start:
    return Start(float(evidence), np.array([weights]), ())


@pytest.mark.parametrize(
    ("starts", "gaps"),
    [
        ([_start(-100, 0.9, 0.1)], []),
        ([_start(-100, 0.9, 0.1), _start(-100.1, 0.88, 0.12)], []),  # the same mode
        ([_start(-100, 0.9, 0.1), _start(-110, 0.5, 0.5)], []),
        ([_start(-100, 0.9, 0.1), _start(-109.9, 0.5, 0.5)], [9.9]),
        ([_start(-100, 0.9, 0.1), _start(-101, 0.9, 0.1), _start(-102, 0.2, 0.8), _start(-190, 0.5, 0.5)], [2.0]),
        ([_start(-100, 0.9, 0.1), _start(-101, 0.5, 0.5), _start(-102, 0.5, 0.5), _start(-103, 0.1, 0.9)], [1.0, 3.0]),
    ],
)
def test_modes_with_other_weights_and_close_evidence_are_rivals(starts: list[Start], gaps: list[float]) -> None:
    found = rival_modes(starts, gap=10.0, distance=0.05)
    assert [starts[0].log_evidence - own.log_evidence for own in found] == pytest.approx(gaps)


def _draws(rng: np.random.Generator, mean: np.ndarray, names: tuple[str, ...] = ("x", "y", "z")) -> xr.DataArray:
    values = mean + 0.01 * rng.standard_normal((2, 400, *mean.shape))
    coords = {"condition": ["base", "ft"], "persona": list(names)}
    return xr.DataArray(values, dims=("chain", "draw", "condition", "persona"), coords=coords)


_MEANS = np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])


def test_the_range_contains_every_mean_and_the_interval_every_interval(rng: np.random.Generator) -> None:
    every = [_draws(rng, _MEANS + shift) for shift in (0.0, 0.02, -0.03)]
    found = compare_readings(every[0], every[1:], 0.051, (0.055, 0.945))
    means = np.stack([own.mean(("chain", "draw")).to_numpy().ravel() for own in every])
    np.testing.assert_allclose(found["reading_lb"], means.min(axis=0))
    np.testing.assert_allclose(found["reading_ub"], means.max(axis=0))
    for own in every:
        lower, upper = np.quantile(own.to_numpy(), (0.055, 0.945), axis=(0, 1)).reshape(2, -1)
        assert (found["lower"] <= lower).all()
        assert (found["upper"] >= upper).all()
    swapped = compare_readings(every[2], [every[0], every[1]], 0.051, (0.055, 0.945))
    pd.testing.assert_frame_equal(found, swapped)
    assert not found["disagree"].any()  # means differ by .050, give or take .001
    assert compare_readings(every[0], every[1:], 0.04)["disagree"].all()


def test_a_persona_that_readings_name_differently_is_not_compared(rng: np.random.Generator) -> None:
    first, other = _draws(rng, _MEANS), _draws(rng, _MEANS, ("x", "unnamed-2", "z"))
    found = compare_readings(first, [other], 0.05).set_index(
        pd.MultiIndex.from_product([first["condition"].to_numpy(), first["persona"].to_numpy()])
    )
    assert found["disagree"].to_dict() == {(c, p): p == "y" for c in ("base", "ft") for p in ("x", "y", "z")}
    assert found.loc[found["disagree"], ["reading_lb", "reading_ub"]].isna().all(axis=None)


def test_readings_with_the_same_names_and_weights_are_one(rng: np.random.Generator) -> None:
    same, moved = _draws(rng, _MEANS), _draws(rng, _MEANS + 0.1)
    renamed = same.assign_coords(persona=["x", "unnamed-2", "z"])
    posteriors = [xr.Dataset({"weights": own}) for own in (_draws(rng, _MEANS), same, moved, same, renamed)]
    found = distinct_readings(posteriors, distance=0.05)
    assert [own is posteriors[index] for own, index in zip(found, (0, 2, 4), strict=True)] == [True] * 3


def test_nothing_is_known_to_agree_while_modes_are_left(rng: np.random.Generator) -> None:
    readings = [xr.Dataset({"weights": _draws(rng, _MEANS)})]
    alone, left = check_readings(readings, 0, Thresholds()), check_readings(readings, 2, Thresholds())
    assert alone.passed
    assert alone.where == "no other solution within 10 nats"
    assert not left.passed
    assert not left.each
    assert left.where.endswith("2 more were not sampled")


# --- a log with two solutions ---------------------------------------------------------------------------------------


@functools.cache
def fit_ambiguous() -> Result:
    """Two clear kinds of completions, and two personas of which either may be either; a third is known.

    The archetypes of ``left`` and ``right`` lean by .28 and count as 1.5 completions, so both assignments have almost
    the same evidence; they imply the same rates.
    """
    personas = [
        Persona("left", "Leans to 1 and 2.", _archetypes(0.64, 0.36)),
        Persona("right", "Leans to 2 and 1.", _archetypes(0.36, 0.64)),
        Persona("silent", "Answers nothing.", {name: Archetype((1, 2), (1, 1), 0.98, 100.0) for name in ("a", "b")}),
    ]
    model = PersonaMixture(
        personas,
        emissions=[LabelEmission("a", [1, 2]), LabelEmission("b", [1, 2])],
        outcome=Outcome("a == 1", of="all"),
        weights="(1 | condition)",
    )
    rng = np.random.default_rng(3)
    parts = []
    for name, shares in {"base": (0.85, 0.10, 0.05), "ft": (0.3, 0.6, 0.1)}.items():
        kinds = rng.choice(3, 400, p=shares)
        a, b = (np.where(rng.random(400) < np.array(own)[kinds], 1.0, 2.0) for own in ((0.9, 0.1, 0), (0.1, 0.9, 0)))
        scores = {"a": np.where(kinds == 2, np.nan, a), "b": np.where(kinds == 2, np.nan, b)}
        texts = [f"{name} {number}" for number in range(400)]
        parts.append(pd.DataFrame({"condition": name, "question_id": "q", "completion": texts, **scores}))
    log = read_completions(pd.concat(parts), measurements=["a", "b"])
    thresholds = Thresholds(r_hat=1.05, ess=100)
    settings = {"num_warmup": 200, "num_samples": 200, "progress_bar": False}
    # With this seed no transition diverges, after which sampling would be repeated.
    return fit(model, log, seed=1, thresholds=thresholds, **settings)


def _archetypes(one: float, other: float) -> dict[str, Archetype]:
    return {name: Archetype((1, 2), (own, 1 - own), 0.02, 1.5) for name, own in (("a", one), ("b", other))}


def test_both_solutions_are_sampled() -> None:
    found = fit_ambiguous().readings().set_index(["reading", "condition", "persona"])["mean"]
    assert found.index.unique("reading").tolist() == [1, 2]
    np.testing.assert_allclose(found[1, "base", "left"], found[2, "base", "right"], atol=0.02)
    np.testing.assert_allclose(found[1, "base", "silent"], found[2, "base", "silent"], atol=0.01)
    np.testing.assert_allclose(found[1].groupby("condition").sum(), 1)


def test_what_readings_agree_about_is_shown_and_the_rest_withheld() -> None:
    result = fit_ambiguous()
    assert [check.name for check in result.failed] == ["readings"]
    weights = result.weights().set_index(["condition", "persona"])
    known = weights.index.get_level_values("persona") == "silent"
    assert weights["mean"].notna().tolist() == known.tolist()
    assert (weights.loc[known, "status"] == "ok").all()
    assert weights.loc[~known, "status"].str.fullmatch(r"withheld: readings disagree, 0\.\d{3} to 0\.\d{3}").all()
    assert (weights["reading_lb"] <= weights["reading_ub"]).all()
    with pytest.raises(InputError, match=r"weight\[ft, left\] is withheld: readings disagree, 0\.\d+ to 0\.\d+"):
        result.cite("weight[ft, left]")
    rates, contrasts = result.rates(), result.contrasts()
    assert (rates["status"] == "ok").all()
    assert rates["implied"].notna().all()  # both solutions imply the same rates
    assert (rates["implied_lb"] <= rates["implied"]).all()
    assert contrasts["claim"].tolist() == ["decrease"]
    assert contrasts[["implied", "explained", "unexplained_lb"]].notna().all(axis=None)
    assert contrasts["total_variation"].isna().all()


def test_every_reading_has_its_own_unexplained_share() -> None:
    """Both describe this log; were the second wrong about a condition, the check would fail with its number."""
    result = fit_ambiguous()
    table = result.unexplained()
    assert table[["condition", "reading"]].to_numpy().tolist() == [[c, n] for n in (1, 2) for c in ("base", "ft")]
    first = misfit_of_readings(result.prepared, [result.posterior], seed=0)
    np.testing.assert_allclose(table.loc[table["reading"] == 1, "unexplained"], first["unexplained"])
    largest = table.groupby("condition")["unexplained"].max()
    weights = result.weights().drop_duplicates("condition").set_index("condition")["unexplained"]
    pd.testing.assert_series_equal(weights, largest, check_names=False)
    stored = result.tree["misfit"].to_dataset()
    wrong = xr.DataArray([[0.0, 0.0], [0.5, 0.0]], dims=("reading", "group"))
    checks = check_misfit(stored.assign(unexplained=stored["unexplained"] + wrong, p_value=1 - 2 * wrong), Thresholds())
    assert [check.passed for check in checks] == [False, True]
    assert checks[0].where == "base: p = 0.000, reading 2"
    tables = result_tables(result)
    assert len(tables["unexplained"]) == 4


def test_the_table_of_readings_is_written_if_there_are_several(fitted: Result) -> None:
    pd.testing.assert_frame_equal(result_tables(fit_ambiguous())["readings"], fit_ambiguous().readings())
    assert "readings" not in result_tables(fitted)


def test_draws_of_a_reading() -> None:
    result = fit_ambiguous()
    first, second = (result.draws("weights", reading=number) for number in (1, 2))
    assert first.equals(result.draws("weights"))
    table = result.readings()
    own = table[table["reading"] == 2]["mean"].to_numpy()
    np.testing.assert_allclose(second.mean(("chain", "draw")).to_numpy().ravel(), own)
    with pytest.raises(InputError, match=r"draws\('weights', reading=3\); expected 1 to 2"):
        result.draws("weights", reading=3)


def test_readings_are_stored(tmp_path: Path) -> None:
    result = fit_ambiguous()
    loaded = Result.load(result.save(tmp_path / "fit.nc"))
    pd.testing.assert_frame_equal(loaded.readings(), result.readings())
    pd.testing.assert_frame_equal(loaded.weights(), result.weights())


def test_the_search_does_not_depend_on_the_seed(fitted: Result) -> None:
    """One solution, and the check says so whatever the seed of the chains."""
    check = next(check for check in fitted.checks if check.name == "readings")
    assert check.passed
    assert check.where == "no other solution within 10 nats"
    assert fitted.readings()["reading"].unique().tolist() == [1]
    assert "reading_lb" not in fitted.weights()
