"""The model: personas, weights, emissions, mixture, outcomes and shifts, as mathematics on arrays.

This package does not read files, fit or plot. The cost of importing it is that of importing JAX and NumPyro.
"""

from simulacra.formalism.conditioning import conditioned_log_weights as conditioned_log_weights
from simulacra.formalism.conditioning import context_weights as context_weights
from simulacra.formalism.conditioning import evidence_beyond_context as evidence_beyond_context
from simulacra.formalism.conditioning import mean_evidence as mean_evidence
from simulacra.formalism.conditioning import weight_velocity as weight_velocity
from simulacra.formalism.conduct import split_change as split_change
from simulacra.formalism.distributions import CollapsedMixture as CollapsedMixture
from simulacra.formalism.distributions import PersonaMixtureDistribution as PersonaMixtureDistribution
from simulacra.formalism.emissions import AbstractEmission as AbstractEmission
from simulacra.formalism.emissions import FamilyEmission as FamilyEmission
from simulacra.formalism.emissions import LabelEmission as LabelEmission
from simulacra.formalism.emissions import LikelihoodEmission as LikelihoodEmission
from simulacra.formalism.emissions import OutOfRange as OutOfRange
from simulacra.formalism.emissions import ScoreEmission as ScoreEmission
from simulacra.formalism.errors import InputError as InputError
from simulacra.formalism.mixture import PersonaMixture as PersonaMixture
from simulacra.formalism.outcomes import Outcome as Outcome
from simulacra.formalism.partitions import Partition as Partition
from simulacra.formalism.persona_sets import PERSONA_SETS as PERSONA_SETS
from simulacra.formalism.persona_sets import RESIDUAL as RESIDUAL
from simulacra.formalism.persona_sets import persona_set as persona_set
from simulacra.formalism.personas import Archetype as Archetype
from simulacra.formalism.personas import Gate as Gate
from simulacra.formalism.personas import Persona as Persona
from simulacra.formalism.shifts import claim as claim
from simulacra.formalism.shifts import jensen_shannon as jensen_shannon
from simulacra.formalism.shifts import log_ratio as log_ratio
from simulacra.formalism.shifts import total_variation as total_variation
from simulacra.formalism.weights import WeightDesign as WeightDesign
from simulacra.formalism.weights import weight_design as weight_design
