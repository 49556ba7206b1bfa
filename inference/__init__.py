"""What follows from a log: fitting, checks, tables, and the fitted result with its file."""

from simulacra.inference.citation import Citation as Citation
from simulacra.inference.conditioning import Conditioning as Conditioning
from simulacra.inference.conditioning import fit_conditioning as fit_conditioning
from simulacra.inference.conditioning import predict_shifts as predict_shifts
from simulacra.inference.diagnostics import Check as Check
from simulacra.inference.diagnostics import Thresholds as Thresholds
from simulacra.inference.fit import fit as fit
from simulacra.inference.in_context import InContext as InContext
from simulacra.inference.in_context import fit_in_context as fit_in_context
from simulacra.inference.predictive import predict_rates as predict_rates
from simulacra.inference.result import Result as Result
