"""Rounded draws: what is lost is bounded by sampling error, and rounding again changes nothing."""

import numpy as np
import pandas as pd
import pytest

from simulacra.formalism import weight_design
from simulacra.inference.precision import coarse, coarse_latents, latent_steps, proportions, significant, steps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_significant_digits(dtype: type) -> None:
    values = np.array([0.0, 1e-30, -0.3, 7 / 3, 1e6, np.inf, np.nan], dtype=dtype)
    found = significant(values, 10)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, values, rtol=2.0**-11)
    np.testing.assert_array_equal(significant(found, 10), found)
    assert significant(np.array([1 + 2.0**-10]), 10) == 1 + 2.0**-10  # the last digit that is kept
    assert significant(np.array([1 + 2.0**-12]), 10) == 1


def test_proportions_sum_to_one(rng: np.random.Generator) -> None:
    values = rng.dirichlet([0.02, 1.0, 5.0, 0.3], size=200)
    found = proportions(values)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=4e-16)
    np.testing.assert_allclose(found, values, rtol=4 * 2.0**-21)  # the largest bears the errors of three others
    others = values.argmax(axis=-1)[:, None] != np.arange(4)
    np.testing.assert_array_equal(found[others], significant(values)[others])


def test_coarse_draws_are_within_half_a_step_of_at_most_a_64th_of_the_sd() -> None:
    sd = np.array([1e-3, 1.0, 40.0])
    values = np.random.default_rng(0).normal(5, sd, size=(2, 200, 3))
    found = coarse(values, steps(sd))
    assert (np.abs(found - values) <= sd / 128).all()
    assert len(np.unique(found[..., 1])) < 600  # few values: at most 9 standard deviations in steps of 1/64 or 1/128
    np.testing.assert_array_equal(coarse(found, steps(sd)), found)
    np.testing.assert_array_equal(coarse(values, steps(np.array([0.0, np.nan, np.inf]))), values)


def test_rounded_latents_move_no_logit_by_more_than_its_sd_warrants() -> None:
    """Also where latents are uncertain and their sum is not, as those of a condition and its cells are."""
    rng = np.random.default_rng(1)
    cells = pd.DataFrame([(f"c{i}", f"q{j}") for i in range(3) for j in range(4)], columns=["condition", "question_id"])
    design = weight_design("(1 | condition) + (1 | condition:question_id)", cells)
    latents = rng.normal(size=(2, 100, len(design.latents), 2))
    target = 0.02 * rng.normal(size=(2, 100, len(cells), 2))  # narrow logits: the latents of cells make up for the rest
    alone = design.own >= 0
    rest = target - design.logits(np.where(np.isin(np.arange(len(design.latents)), design.own)[:, None], 0, latents))
    latents[..., design.own[alone], :] = rest[..., alone, :] / design.own_value[alone, None]
    latents = latents.astype(np.float32)
    rounded = coarse_latents(latents, latent_steps(latents, design), design)
    exact, found = design.logits(latents.astype(float)), design.logits(rounded.astype(float))
    sd = exact.std(axis=(0, 1))
    assert sd.max() < 0.03 < latents.std(axis=(0, 1)).min()
    shared = 4 * 2.0**-17 * np.abs(design.shared).max() * np.abs(latents).max() * design.shared.shape[1]
    assert (np.abs(found - exact) <= sd / 128 * 1.001 + shared).all()
    assert (found.std(axis=(0, 1)) / sd - 1 < 1e-3).all()
