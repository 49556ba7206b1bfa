"""What judges add, by brute force; a judge that answers at random; confusions of a family; pairs that depend."""

import dataclasses
import itertools

import numpy as np
import pytest
import xarray as xr

from simulacra.analysis import Judges, judges
from simulacra.analysis.judges import _of_judge, _product
from simulacra.formalism import FamilyEmission, LabelEmission
from simulacra.inference import Result, Thresholds
from simulacra.inference.tables import CI_PROB, Terms

TERMS = Terms((), Thresholds(), CI_PROB)


def _with(result: Result, **tables: np.ndarray) -> Result:
    """The result with other emissions."""
    tree = result.tree.copy()
    posterior = result.posterior.assign({name: result.posterior[name].copy(data=own) for name, own in tables.items()})
    tree["posterior"] = posterior
    return dataclasses.replace(result, tree=tree)


def _at_random(result: Result) -> np.ndarray:
    """Emissions of *coherent* that are the same for all personas."""
    table = result.posterior["coherent_probs"].to_numpy()
    return np.broadcast_to(table.mean(axis=2, keepdims=True), table.shape)


def test_information_by_brute_force(passed: Result) -> None:
    """At constant draws, the mutual information and the conditional one are sums over all patterns."""
    posterior = passed.posterior
    names = ("aligned_probs", "coherent_probs")
    means = {name: np.broadcast_to(posterior[name].mean(("chain", "draw")), posterior[name].shape) for name in names}
    constant = _with(
        passed,
        **means,
        weights=np.broadcast_to(posterior["weights"].mean(("chain", "draw")), posterior["weights"].shape),
    )
    table = dataclasses.replace(judges(constant), withheld={}).table().set_index("judge")  # constants have no R-hat
    counts = (constant.prepared.in_condition @ constant.prepared.counts).sum(axis=1)
    prior = counts @ constant.posterior["weights"].to_numpy()[0, 0] / counts.sum()
    first, second = (means[name][0, 0] for name in names)
    joint = {
        (z, a, b): prior[z] * first[z, a] * second[z, b]
        for z, a, b in itertools.product(range(len(prior)), range(first.shape[1]), range(second.shape[1]))
    }

    def entropy(*places: int) -> float:
        sums: dict[tuple[int, ...], float] = {}
        for key, probability in joint.items():
            own = tuple(key[place] for place in places)
            sums[own] = sums.get(own, 0.0) + probability
        return -sum(p * np.log(p) for p in sums.values() if p > 0)

    assert table.loc["aligned", "information"] == pytest.approx(entropy(0) + entropy(1) - entropy(0, 1), abs=1e-9)
    added = entropy(0, 2) - entropy(2) - entropy(0, 1, 2) + entropy(1, 2)
    assert table.loc["aligned", "added"] == pytest.approx(added, abs=1e-9)
    assert (table["worth"] == "adds").all()


def test_a_judge_that_answers_at_random_is_worthless(passed: Result) -> None:
    found = judges(_with(passed, coherent_probs=_at_random(passed)))
    rows = found.table(ci_prob=0.95).set_index("judge")
    assert rows["worth"].tolist() == ["adds", "worthless"]
    assert rows.loc["coherent", "moves"] < 0.02
    assert rows.loc["aligned", "moves"] > 0.02
    assert rows.loc["coherent", "information_eti95_ub"] < 1e-9
    assert "worthless: coherent" in repr(found)


def test_confusions_are_the_emissions(passed: Result) -> None:
    own, all_emissions = judges(passed).confusions(), passed.emissions(withhold=False)
    for name in ("aligned", "coherent"):
        part = all_emissions[all_emissions["measurement"] == name]
        assert own.loc[own["judge"] == name, "mean"].tolist() == pytest.approx(part["mean"].tolist())


def test_a_family_is_summed_over_the_other_judges(rng: np.random.Generator) -> None:
    family = FamilyEmission("ab", [LabelEmission("a", [0, 1]), LabelEmission("b", [1, 2, 3])])
    draws = rng.dirichlet(np.ones(12), (2, 5, 2))
    table = xr.DataArray(draws, dims=("chain", "draw", "persona", "ab_category"), coords={"persona": ["x", "y"]})
    for axis, part in enumerate(family.parts):
        own = _of_judge(table, part, family.part_codes(part.measurement))
        np.testing.assert_allclose(own, draws.reshape(2, 5, 2, 3, 4).sum(axis=4 - axis))
    flat = draws.reshape(10, 2, 12)
    third = rng.dirichlet(np.ones(2), (10, 2))
    np.testing.assert_allclose(
        _product([flat, third], [(3, 4), (2,)])[..., 1], flat.reshape(10, 2, 3, 4) * third[..., None, 1:]
    )


def test_pairs_that_depend_are_found(passed: Result) -> None:
    pairs = judges(passed).pairs()
    assert pairs[["judge", "other"]].to_numpy().tolist() == [["aligned", "coherent"]]
    assert pairs["p_value"].item() > 0.05
    assert judges(_with(passed, coherent_probs=_at_random(passed))).pairs()["p_adjusted"].item() < 0.01


def test_p_values_are_adjusted_for_the_number_of_pairs() -> None:
    """Of six independent pairs whose p-values are k/500, by hand: the step-up procedure with the harmonic sum."""
    names, rng = ("a", "b", "c", "d"), np.random.default_rng(0)
    joint = rng.dirichlet(np.ones(16), (300, 1)).reshape(300, 1, 2, 2, 2, 2)
    patterns = np.array(list(itertools.product((0, 1), repeat=4)))
    table = xr.DataArray(np.full((1, 2, 1, 2), 0.5), dims=("chain", "draw", "persona", "category")).assign_coords(
        category=["0", "1"]
    )
    found = Judges(
        names, names, (2,) * 4, joint, ((table,),) * 4, np.full((1, 16), 20), patterns, joint.mean(axis=0), TERMS, {}
    ).pairs()
    ordered = found.sort_values("p_value")
    ranks, harmonic = np.arange(1, 7), sum(1 / np.arange(1, 7))
    raw = ordered["p_value"].to_numpy() * harmonic * 6 / ranks
    expected = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1)
    np.testing.assert_allclose(ordered["p_adjusted"], expected)
    assert (found["p_adjusted"] >= found["p_value"]).all()


@pytest.mark.parametrize(("name", "withheld"), [("divergences", True), ("name: misaligned", False)])
def test_a_failed_check_withholds_what_depends_on_it(name: str, withheld: bool, fitted: Result) -> None:
    checks = tuple(dataclasses.replace(own, passed=own.name != name) for own in fitted.checks)
    found = judges(dataclasses.replace(fitted, checks=checks))
    table, pairs = found.table(), found.pairs()
    numbers = [column for column in table if column.startswith(("information", "added", "moves"))]
    assert table[numbers].isna().all(axis=None) == table[numbers].isna().any(axis=None) == withheld
    assert (table["worth"] == "withheld").all() == withheld
    assert pairs[["unexplained", "p_value", "p_adjusted"]].isna().all(axis=None) == withheld
    status = f"withheld: {name} failed" if withheld else "ok"
    assert table["status"].tolist() == [status] * 2
    assert pairs["status"].tolist() == [status]
    confusions = found.confusions()
    own = confusions["mean"].isna()
    assert own.all() if withheld else set(confusions.loc[own, "persona"]) == {"misaligned"}


def test_emissions_of_one_judge_that_did_not_converge_leave_what_the_other_says_alone(fitted: Result) -> None:
    """Chains that disagree about one score only."""
    draws = fitted.posterior["coherent_probs"].to_numpy().copy()
    draws[0] = draws[0].mean(axis=-1, keepdims=True)  # of one chain: all verdicts are alike
    found = judges(_with(fitted, coherent_probs=draws))
    table = found.table().set_index("judge")
    assert table["information"].isna().to_dict() == {"aligned": False, "coherent": True}
    assert table["added"].isna().all()
    assert table.loc["aligned", "status"].startswith("all but information withheld: R-hat")
    assert table.loc["coherent", "status"].startswith("withheld: R-hat")
    assert found.pairs()["p_adjusted"].isna().all()
