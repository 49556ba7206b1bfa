"""Data: what was logged? Readers, checks, provenance, and collapsing to counts.

A log of judged completions goes in, in any of the layouts that people have; out comes a
:class:`~simulacra.data.CompletionLog`, one row a completion, that says what was renamed, what was read as missing
and what was left out. :func:`~simulacra.data.collapse` turns it, or a log too large for memory, into counts
of measurement patterns per cell, which is all that a fit needs.
"""

from simulacra.data.account import Account as Account
from simulacra.data.counting.collapse import collapse as collapse
from simulacra.data.counting.collapsed import CollapsedLog as CollapsedLog
from simulacra.data.counting.counts import read_counts as read_counts
from simulacra.data.counting.scan import ScannedLog as ScannedLog
from simulacra.data.counting.scan import scan_completions as scan_completions
from simulacra.data.demo import load_demo as load_demo
from simulacra.data.errors import LogError as LogError
from simulacra.data.log import CompletionLog as CompletionLog
from simulacra.data.log import describe as describe
from simulacra.data.reading.completions import read_completions as read_completions
from simulacra.data.simulate import Truth as Truth
from simulacra.data.simulate import draw_truth as draw_truth
from simulacra.data.simulate import simulate_log as simulate_log
