"""What judges add, by brute force; a judge that answers at random; confusions of a family; pairs that depend."""

import dataclasses
import itertools

import numpy as np
import pytest

from simulacra.analysis import judges
from simulacra.analysis.judges import _of_judge, _product
from simulacra.formalism import FamilyEmission, LabelEmission
from simulacra.formalism.errors import InputError
from simulacra.inference import Result


@pytest.fixture
def passed(fitted: Result) -> Result:
    return dataclasses.replace(fitted, checks=())


def _with(result: Result, **tables: np.ndarray) -> Result:
    """The result with other emissions."""
    tree = result.tree.copy()
    posterior = result.posterior.assign({name: result.posterior[name].copy(data=own) for name, own in tables.items()})
    tree["posterior"] = posterior
    return dataclasses.replace(result, tree=tree)


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
    table = judges(constant).table().set_index("judge")
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
    table = passed.posterior["coherent_probs"]
    random = np.broadcast_to(table.mean(("chain", "draw", "persona")), table.shape)
    found = judges(_with(passed, coherent_probs=random))
    rows = found.table(ci_prob=0.95).set_index("judge")
    assert rows["worth"].tolist() == ["adds", "worthless"]
    assert rows.loc["coherent", "moves"] < 0.02
    assert rows.loc["aligned", "moves"] > 0.02
    assert rows.loc["coherent", "information_eti95_ub"] < 1e-6  # draws are rounded
    assert "worthless: coherent" in repr(found)


def test_confusions_are_the_emissions(passed: Result) -> None:
    own, all_emissions = judges(passed).confusions(), passed.emissions(withhold=False)
    for name in ("aligned", "coherent"):
        part = all_emissions[all_emissions["measurement"] == name]
        assert own.loc[own["judge"] == name, "mean"].tolist() == pytest.approx(part["mean"].tolist())


def test_a_family_is_summed_over_the_other_judges(rng: np.random.Generator) -> None:
    import xarray as xr

    family = FamilyEmission("ab", [LabelEmission("a", [0, 1]), LabelEmission("b", [1, 2, 3])])
    draws = rng.dirichlet(np.ones(12), (2, 5, 2))
    table = xr.DataArray(draws, dims=("chain", "draw", "persona", "ab_category"), coords={"persona": ["x", "y"]})
    for axis, part in enumerate(family.parts):
        own = _of_judge(table, part.measurement, family.part_codes(part.measurement), part.categories)
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
    table = passed.posterior["coherent_probs"]
    random = np.broadcast_to(table.mean(("chain", "draw", "persona")), table.shape)
    assert judges(_with(passed, coherent_probs=random)).pairs()["p_value"].item() < 0.01


def test_emissions_that_failed_a_check_are_refused(fitted: Result) -> None:
    failed = dataclasses.replace(fitted.checks[0], passed=False, withholds=("emissions",))
    with pytest.raises(InputError, match="What judges add is withheld because this fit failed"):
        judges(dataclasses.replace(fitted, checks=(failed,)))
