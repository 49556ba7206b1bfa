"""Data: readers, checks, provenance, and collapsing to counts.

Logs of judged completions are read from many layouts into a :class:`~simulacra.data.CompletionLog`, with one row per
completion and an account of renamed columns, values read as missing and excluded rows.
:func:`~simulacra.data.collapse` reduces it, or a log too large for memory, to counts of measurement patterns per cell,
which are all that a fit needs.
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
