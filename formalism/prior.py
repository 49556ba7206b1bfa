r"""The prior of a persona mixture: its density, and draws from it.

.. math::

    \log σ_t &\sim \mathrm{Normal}(m_t, s_t^2) && \text{scale of every term of the formula} \\
    ζ_l &\sim \mathrm{Normal}(0, λ_l(σ)\, I_{K-1}) && \text{latents of the weights, eq. (2)} \\
    θ_{zj} &\sim \mathrm{Dirichlet}(α_{zj}) && \text{category probabilities of every emission, eq. (3)} \\
    \log τ &\sim \mathrm{Normal}(m_τ, s_τ^2) && \text{temperature of the texts, eq. (4)} \\
    b &= Vᵀβ,\quad β \sim \mathrm{Normal}(0, s_b^2\, I_{K-1}) && \text{their offsets, if there are references} \\
    \mathrm{logit}\, ρ_z &\sim \mathrm{Normal}(m_ρ, s_ρ^2) && \text{purity of what every prompt elicits, likewise}

with α from the archetypes (:attr:`~simulacra.formalism.PersonaMixture.concentrations`), m, s and λ from the formula
(:class:`~simulacra.formalism.WeightDesign`), and V the ILR basis.

The three ``*_log_density`` functions define each family once, up to a constant, in the coordinates of the sampler:
log σ, latents, log gammas and the coordinates of τ, b and ρ. A Dirichlet is a set of independent gammas divided by
their total. :func:`log_prior` adds constants and Jacobians, and so does the density of the sampler
(:mod:`simulacra.inference.sampling.problem`), for its own coordinates. To change the prior, change this module and
:meth:`~simulacra.formalism.PersonaMixture.numpyro_model`, the independent definition that tests compare with it.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import special

from simulacra.formalism.arrays import Array, Float, namespace
from simulacra.formalism.emissions.likelihoods import OFFSET_SD
from simulacra.formalism.mixture import PersonaMixture
from simulacra.formalism.parameters import Parameters
from simulacra.formalism.simplex import ilr_basis
from simulacra.formalism.weights import WeightDesign, latent_variances

__all__ = [
    "Prior",
    "calibrated",
    "gamma_log_density",
    "latent_log_density",
    "log_prior",
    "make_prior",
    "normal_log_density",
    "sample_prior",
]

_LOG_ROOT = 0.5 * np.log(2 * np.pi)  # constant of a Gaussian


class Prior(NamedTuple):
    """Hyperparameters of one model on one design, as arrays (NumPy or JAX).

    Attributes:
        concentrations: α of every emission, shapes ``(K, J)``, in pseudo-completions.
        multiplicity: coefficient of every squared scale in the variance of a latent, shape ``(L, T)``.
        fixed_variance: the part of that variance that does not depend on scales, shape ``(L,)``.
        scale_location: m, shape ``(T,)``.
        scale_spread: s, shape ``(T,)``.
        calibration_location: prior mean of log τ, β and logit ρ, shape ``(2K,)``; ``(1,)`` without references, ``(0,)``
            without texts.
        calibration_spread: their prior standard deviation, likewise.
    """

    concentrations: tuple[Float[Array | np.ndarray, "persona _"], ...]
    multiplicity: Float[Array | np.ndarray, "latent term"]
    fixed_variance: Float[Array | np.ndarray, " latent"]
    scale_location: Float[Array | np.ndarray, " term"]
    scale_spread: Float[Array | np.ndarray, " term"]
    calibration_location: Float[Array | np.ndarray, " calibration"]
    calibration_spread: Float[Array | np.ndarray, " calibration"]

    def variances(self, squared_scales: Any) -> Any:
        """λ(σ), the variance of every latent, shape ``(..., L)``, at σ², shape ``(..., T)``."""
        return latent_variances(self.fixed_variance, self.multiplicity, squared_scales)


def make_prior(model: PersonaMixture, design: WeightDesign, *, references: bool = False) -> Prior:
    """The hyperparameters of a model on a design; ``references``: whether references calibrate b and ρ."""
    location, spread = np.zeros(0), np.zeros(0)
    if model.likelihood is not None:
        size = len(model.personas) if references else 0
        (mean, sd), (purity, purity_sd) = model.likelihood.temperature_prior, model.likelihood.purity_prior
        location = np.array([mean, *[0.0] * (size - 1), *[purity] * size])
        spread = np.array([sd, *[OFFSET_SD] * (size - 1), *[purity_sd] * size])
    return Prior(
        concentrations=model.concentrations,
        multiplicity=design.multiplicity,
        fixed_variance=design.fixed_variance,
        scale_location=design.scale_location,
        scale_spread=design.scale_spread,
        calibration_location=location,
        calibration_spread=spread,
    )


def normal_log_density(
    values: Float[Array | np.ndarray, "*batch value"],
    location: Float[Array | np.ndarray, " value"],
    spread: Float[Array | np.ndarray, " value"],
) -> Float[Array | np.ndarray, "*batch"]:
    """Log density of log σ, or of log τ, β and logit ρ, together, nats, up to a constant."""
    return -0.5 * (((values - location) / spread) ** 2).sum(axis=-1)


def latent_log_density(
    latents: Float[Array | np.ndarray, "*batch latent coordinate"],
    variances: Float[Array | np.ndarray, "*batch latent _"],
) -> Float[Array | np.ndarray, "*batch latent coordinate"]:
    """Log density of every latent at its variance, nats, up to a constant.

    This is a scale family: latents divided by a factor have this density with the variance divided by its square.
    """
    return -0.5 * (latents**2 / variances + namespace(variances).log(variances))


def gamma_log_density(
    log_gammas: Float[Array | np.ndarray, "*batch persona category"],
    concentration: Float[Array | np.ndarray, "persona category"],
) -> Float[Array | np.ndarray, "*batch persona category"]:
    """Log density of every log G, G ~ Gamma(α, 1), nats, up to a constant; G over their total is the Dirichlet."""
    return log_gammas * concentration - namespace(log_gammas).exp(log_gammas)


def calibrated(coordinates: Float[Array | np.ndarray, "*batch calibration"], num_personas: int) -> tuple[Any, Any, Any]:
    """τ, shape ``(...)``, b and ρ, shapes ``(..., K)``, at their coordinates, log τ, β and logit ρ.

    Without references, b is 0 and ρ has shape ``(..., 0)``.
    """
    xp = namespace(coordinates)
    offset = coordinates[..., 1:num_personas]
    purity = 1 / (1 + xp.exp(-coordinates[..., num_personas:]))
    return xp.exp(coordinates[..., 0]), offset @ ilr_basis(num_personas)[: offset.shape[-1]], purity


def log_prior(
    model: PersonaMixture, design: WeightDesign, parameters: Parameters
) -> dict[str, Float[Array | np.ndarray, "*batch"]]:
    """Log prior density of the parameters in their natural spaces, by name, in nats, for any leading axes.

    Normalised, with respect to σ, ζ, all but one category probability of every row, τ, β for the offsets, and ρ. Their
    sum is the density of :meth:`~simulacra.formalism.PersonaMixture.numpyro_model`. NumPy arrays are computed with
    NumPy.
    """
    prior = make_prior(model, design, references=parameters.offset is not None)
    xp = namespace(parameters.latents)
    log_scales = xp.log(parameters.scales)
    scales = normal_log_density(log_scales, prior.scale_location, prior.scale_spread)
    scales = scales - (np.log(prior.scale_spread) + _LOG_ROOT).sum() - log_scales.sum(axis=-1)
    variances = prior.variances(parameters.scales**2)[..., None]
    latents = latent_log_density(parameters.latents, variances) - _LOG_ROOT
    found = {"scale": scales, "latents": latents.sum(axis=(-2, -1))}
    for name, alpha, table in zip(model.measurements, prior.concentrations, parameters.probabilities, strict=True):
        log_p = xp.log(table)
        # Gammas of total one: the density of their total, and the Jacobian from logs to probabilities, are divided out.
        constant = (1 + special.gammaln(alpha.sum(axis=1)) - special.gammaln(alpha).sum(axis=1)).sum()
        found[f"{name}_probs"] = (gamma_log_density(log_p, alpha) - log_p).sum(axis=(-2, -1)) + constant
    if parameters.temperature is None:
        return found
    size, log_temperature = len(model.personas), xp.log(parameters.temperature)
    temperature, offset, purity = slice(1), slice(1, size), slice(size, None)

    def normal(coordinates: Any, part: slice) -> Any:
        location, spread = prior.calibration_location[part], prior.calibration_spread[part]
        return normal_log_density(coordinates, location, spread) - (np.log(spread) + _LOG_ROOT).sum()

    found["temperature"] = normal(log_temperature[..., None], temperature) - log_temperature
    if parameters.offset is not None:
        found["offset"] = normal(parameters.offset @ ilr_basis(size).T, offset)
        log_odds = xp.log(parameters.purity), xp.log1p(-parameters.purity)
        found["purity"] = normal(log_odds[0] - log_odds[1], purity) - (log_odds[0] + log_odds[1]).sum(axis=-1)
    return found


def sample_prior(
    model: PersonaMixture,
    design: WeightDesign,
    rng: np.random.Generator,
    shape: tuple[int, ...] = (),
    *,
    references: bool = False,
) -> Parameters:
    """Draw parameters from the prior, NumPy arrays with leading axes ``shape``.

    Args:
        model: the model.
        design: its formula evaluated on cells.
        rng: source of the draws.
        shape: leading axes, for example ``(1, 500)`` for one chain of 500 draws.
        references: whether references calibrate b and ρ; otherwise there are none.
    """
    prior = make_prior(model, design, references=references)
    scales = np.exp(prior.scale_location + prior.scale_spread * rng.standard_normal((*shape, len(design.terms))))
    variances = prior.variances(scales**2)
    noise = rng.standard_normal((*variances.shape, len(model.personas) - 1))
    tables = []
    for alpha in prior.concentrations:
        gammas = rng.gamma(alpha, size=(*shape, *alpha.shape))
        tables.append(gammas / gammas.sum(axis=-1, keepdims=True))
    drawn = Parameters(tuple(tables), np.sqrt(variances)[..., None] * noise, scales)
    if model.likelihood is None:
        return drawn
    location, spread = prior.calibration_location, prior.calibration_spread
    coordinates = location + spread * rng.standard_normal((*shape, len(location)))
    temperature, offset, purity = calibrated(coordinates, len(model.personas))
    drawn = drawn._replace(temperature=temperature)
    return drawn._replace(offset=offset, purity=purity) if references else drawn
