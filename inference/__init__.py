"""Inference: fit a model to a log, check the fit, and tabulate, cite, save and load the result."""

from simulacra.inference.citation import Citation as Citation
from simulacra.inference.contrasts import Contrast as Contrast
from simulacra.inference.contrasts import Contrasts as Contrasts
from simulacra.inference.default_model import default_model as default_model
from simulacra.inference.diagnostics import Check as Check
from simulacra.inference.diagnostics import Thresholds as Thresholds
from simulacra.inference.fit import fit as fit
from simulacra.inference.log_measurements import Declared as Declared
from simulacra.inference.result import Result as Result
