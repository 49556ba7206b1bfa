"""What follows from a log: fitting, checks, tables, and the fitted result with its file."""

from simulacra.inference.citation import Citation as Citation
from simulacra.inference.diagnostics import Check as Check
from simulacra.inference.diagnostics import Thresholds as Thresholds
from simulacra.inference.fit import fit as fit
from simulacra.inference.result import Result as Result
