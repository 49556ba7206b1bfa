"""Data: what was logged? Readers, checks, provenance, and collapsing to counts.

A log of judged completions goes in, in any of the layouts that people have; out comes a
:class:`~simulacra.data.log.CompletionLog`, one row a completion, that says what was renamed, what was read as missing
and what was left out. :func:`~simulacra.data.collapse.collapse` turns it, or a log too large for memory, into counts
of measurement patterns per cell, which is all that a fit needs.
"""

from simulacra.data.account import Account as Account
from simulacra.data.collapse import collapse as collapse
from simulacra.data.counts import read_counts as read_counts
from simulacra.data.demo import load_demo as load_demo
from simulacra.data.describe import describe as describe
from simulacra.data.errors import LogError as LogError
from simulacra.data.log import CompletionLog as CompletionLog
from simulacra.data.organism.shipped import load_organism_log as load_organism_log
from simulacra.data.read import read_completions as read_completions
from simulacra.data.scan import ScannedLog as ScannedLog
from simulacra.data.scan import scan_completions as scan_completions
from simulacra.data.scoring import read_prompts as read_prompts
from simulacra.data.scoring import score_log as score_log
from simulacra.data.scoring import training_evidence as training_evidence
from simulacra.data.simulate import Truth as Truth
from simulacra.data.simulate import draw_truth as draw_truth
from simulacra.data.simulate import simulate_log as simulate_log
from simulacra.data.tally import CollapsedLog as CollapsedLog
