"""The rate model: its density is SciPy's, its integral SciPy's quadrature, its bounds those of the binomial."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.infer.util import log_density
from scipy import integrate, special, stats

from simulacra.formalism.rates import RatePrior, new_question_rate, numpyro_rates, rate_prior, unseen_share


def test_the_density_is_that_of_the_equations(rng: np.random.Generator) -> None:
    prior, totals = rate_prior(4), np.full((3, 4), 12)
    events = rng.integers(0, 13, totals.shape)
    given = {
        "level": np.array(-3.0),
        "location": rng.normal(-2, 1, 3),
        "cell_scale": rng.uniform(0.5, 2, 3),
        "question_scale": np.array(0.7),
        "question": rng.normal(0, 1, 4),
        "logits": rng.normal(-1, 1, (3, 4)),
    }
    arguments = (jnp.asarray(events), jnp.asarray(totals), prior)
    ours, _ = log_density(numpyro_rates, arguments, {}, {name: jnp.asarray(value) for name, value in given.items()})
    centre = given["location"][:, None] + given["question"]
    theirs = stats.norm.logpdf(-3, -2, 2.7) + stats.norm.logpdf(given["location"], -3, 2.4).sum()
    theirs += stats.lognorm.logpdf(given["cell_scale"], s=0.8, scale=1.6).sum()
    theirs += stats.lognorm.logpdf(0.7, s=0.6, scale=1.1) + stats.norm.logpdf(given["question"], 0, 0.7).sum()
    theirs += stats.norm.logpdf(given["logits"], centre, given["cell_scale"][:, None]).sum()
    theirs += stats.binom.logpmf(events, totals, special.expit(given["logits"])).sum()
    assert float(ours) == pytest.approx(theirs, rel=1e-10)


@pytest.mark.parametrize(("location", "question", "cell"), [(-6.0, 0.5, 0.3), (-2.0, 1.1, 1.1), (0.5, 2.0, 3.0)])
def test_the_rate_of_new_questions_is_an_integral(location: float, question: float, cell: float) -> None:
    spread = np.hypot(question, cell)
    exact, _ = integrate.quad(lambda x: special.expit(location + spread * x) * stats.norm.pdf(x), -12, 12)
    arrays = (np.array(location), np.array(question), np.array(cell))
    assert float(new_question_rate(*arrays)) == pytest.approx(exact, abs=2e-4)


def test_rates_of_new_questions_have_the_shape_of_their_draws(rng: np.random.Generator) -> None:
    location, question, cell = rng.normal(size=(2, 5, 3)), rng.uniform(size=(2, 5, 1)), rng.uniform(size=(2, 5, 3))
    rates = new_question_rate(location, question, cell)
    assert rates.shape == (2, 5, 3)
    one = new_question_rate(location[1, 2, :1], question[1, 2], cell[1, 2, :1])
    assert rates[1, 2, 0] == pytest.approx(float(one[0]))


def test_few_questions_have_a_wider_prior() -> None:
    assert rate_prior(6) == rate_prior(50) == RatePrior()
    assert rate_prior(5).cell == (1.6, 0.8)


@pytest.mark.parametrize("questions", [1, 8, 24])
def test_what_no_question_showed_may_still_be_there(questions: int) -> None:
    """At the bound, all questions miss it with a probability of 5.5%."""
    assert stats.binom.pmf(0, questions, unseen_share(questions)) == pytest.approx(0.055)
