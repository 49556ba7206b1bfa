"""Results for ArviZ's functions: one value per completion, and a log likelihood of a stated unit."""

import arviz_stats
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from simulacra.formalism import InputError
from simulacra.inference import Result, datatree


def test_completions_are_listed_as_they_were_logged(fitted: Result, simulated) -> None:
    tree, table = fitted.to_datatree(), simulated.log.table
    observed, predicted = (tree[name].to_dataset() for name in ("observed_data", "posterior_predictive"))
    assert observed.sizes["obs_id"] == predicted.sizes["obs_id"] == len(table)
    assert predicted.sizes["chain"] * predicted.sizes["draw"] == 200
    condition = observed["condition"].to_numpy()
    for emission in simulated.model.emissions:
        codes = pd.Series(emission.encode(table[emission.measurement].to_numpy()))
        found = observed[emission.measurement].to_numpy()
        for name in fitted.conditions:
            expected = np.sort(codes[table["condition"].to_numpy() == name])
            np.testing.assert_array_equal(np.sort(found[condition == name]), expected)
        assert observed[emission.measurement].attrs["categories"] == list(emission.categories)
        replicated = predicted[emission.measurement].isel(chain=3, draw=-1).to_numpy()
        counts = fitted.tree["posterior_predictive"][emission.measurement].isel(chain=3, draw=-1)
        for row, name in enumerate(fitted.conditions):
            np.testing.assert_array_equal(
                np.bincount(replicated[condition == name], minlength=counts.shape[1]), counts[row]
            )


def test_no_group_has_what_arviz_would_misread(fitted: Result) -> None:
    tree = fitted.to_datatree()
    assert "log_likelihood" not in tree.children
    for name in ("posterior", "prior", "log_prior"):
        assert "latents" not in tree[name].data_vars
    assert set(tree["prior"].data_vars) == set(tree["posterior"].data_vars)
    with pytest.raises(TypeError, match="log likelihood not found"):
        arviz_stats.loo(tree)
    with pytest.raises(InputError, match=r"log_likelihood='row'; expected 'completion', 'question' or None"):
        datatree.to_datatree(fitted.tree, fitted.prepared, "row")


def test_log_likelihood_of_completions_is_the_mixtures(fitted: Result, simulated) -> None:
    """Every completion of the log, in any order, has the log of Σ w f of its cell and scores."""
    found = fitted.to_datatree(log_likelihood="completion")["log_likelihood"]["completion"]
    weights = fitted.draws("weights", by="cell").isel(chain=2, draw=30).to_numpy()
    cells, table = fitted.design.cells, simulated.log.table
    cell = table.merge(cells.assign(cell=range(len(cells))))["cell"].to_numpy()
    density = weights[cell]
    for emission in simulated.model.emissions:
        codes = emission.encode(table[emission.measurement].to_numpy())
        density = density * fitted.posterior[f"{emission.measurement}_probs"].isel(chain=2, draw=30).to_numpy().T[codes]
    expected = pd.DataFrame({"condition": table["condition"], "value": np.log(density.sum(axis=1))})
    own = pd.DataFrame({"condition": found["condition"], "value": found.isel(chain=2, draw=30)})
    for name in fitted.conditions:
        ours, theirs = (np.sort(each.loc[each["condition"] == name, "value"]) for each in (own, expected))
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_log_likelihoods_of_questions_sum_to_those_of_completions(fitted: Result) -> None:
    completions = fitted.to_datatree(log_likelihood="completion")["log_likelihood"]["completion"]
    questions = fitted.to_datatree(log_likelihood="question")["log_likelihood"]["question"]
    assert questions.dims == ("chain", "draw", "base_question")
    summed = completions.groupby(completions["question_id"].rename("base_question")).sum()
    xr.testing.assert_allclose(
        questions, summed.transpose(*questions.dims).sel(base_question=questions["base_question"])
    )


def test_draws_of_large_logs_are_thinned_alike(fitted: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datatree, "_MOST_NUMBERS", 4 * 110 * len(fitted.collapsed))
    tree = fitted.to_datatree(log_likelihood="completion")
    for name in ("posterior", "log_prior", "sample_stats", "log_likelihood"):
        np.testing.assert_array_equal(tree[name]["draw"], np.arange(0, 300, 3))
    assert tree["posterior_predictive"].sizes["draw"] <= 110


def test_loo_is_stable_for_completions_and_warns_of_questions(fitted: Result) -> None:
    good = arviz_stats.loo(fitted.to_datatree(log_likelihood="completion"), pointwise=True)
    assert float(good.pareto_k.max()) < 0.7
    with pytest.warns(UserWarning, match="Pareto"):
        arviz_stats.loo(fitted.to_datatree(log_likelihood="question"))
