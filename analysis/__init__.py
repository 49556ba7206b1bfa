"""Research questions, one file each, answered by functions of fitted results.

What one fit says by itself (weights, shifts, rates, contrasts, checks, citations) is in :mod:`simulacra.inference`.
This room answers what takes more than that: rates on questions that were not logged, shifts predicted from training
data, and evidence in a context.
"""

from simulacra.analysis.conditioning import Conditioning as Conditioning
from simulacra.analysis.conditioning import fit_conditioning as fit_conditioning
from simulacra.analysis.conditioning import predict_shifts as predict_shifts
from simulacra.analysis.in_context import InContext as InContext
from simulacra.analysis.in_context import fit_in_context as fit_in_context
from simulacra.analysis.predictive import predict_rates as predict_rates
