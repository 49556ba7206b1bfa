"""Analyses that go beyond a single fit, one file each, as functions of fitted results.

The estimates of one fit (weights, shifts, rates, contrasts, checks, citations) are in :mod:`simulacra.inference`. This
package adds other persona sets for the same counts, rates on questions that were not logged, shifts predicted from
training data, and evidence in a context.
"""

from simulacra.analysis.alternatives import try_persona_sets as try_persona_sets
from simulacra.analysis.conditioning import Conditioning as Conditioning
from simulacra.analysis.conditioning import fit_conditioning as fit_conditioning
from simulacra.analysis.conditioning import predict_shifts as predict_shifts
from simulacra.analysis.in_context import InContext as InContext
from simulacra.analysis.in_context import fit_in_context as fit_in_context
from simulacra.analysis.predictive import Prediction as Prediction
from simulacra.analysis.predictive import predict as predict
from simulacra.analysis.predictive import predict_rates as predict_rates
