"""Emissions: the distributions of measurements given the persona, each a factor of eq. (3)."""

from simulacra.formalism.emissions.base import AbstractEmission as AbstractEmission
from simulacra.formalism.emissions.base import OutOfRange as OutOfRange
from simulacra.formalism.emissions.base import rebuild_emission as rebuild_emission
from simulacra.formalism.emissions.families import FamilyEmission as FamilyEmission
from simulacra.formalism.emissions.labels import LabelEmission as LabelEmission
from simulacra.formalism.emissions.likelihoods import LikelihoodEmission as LikelihoodEmission
from simulacra.formalism.emissions.scores import Cut as Cut
from simulacra.formalism.emissions.scores import ScoreEmission as ScoreEmission
