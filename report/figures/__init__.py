"""Figures of a result. Each function returns a matplotlib ``Figure``, whose label is its alternative text.

They require the extra ``report``. Save a figure with ``figure.savefig("weights.pdf")``; for web pages, ``to_svg``
returns an SVG that follows the light or dark scheme of the page.
"""

from simulacra.report.figures.paths import training_paths as training_paths
from simulacra.report.figures.portraits import portrait as portrait
from simulacra.report.figures.predictive import posterior_predictive as posterior_predictive
from simulacra.report.figures.rates import explained_rates as explained_rates
from simulacra.report.figures.rates import rate_by_question as rate_by_question
from simulacra.report.figures.sampling import energy as energy
from simulacra.report.figures.sampling import rank as rank
from simulacra.report.figures.sampling import trace as trace
from simulacra.report.figures.shifts import rate_differences as rate_differences
from simulacra.report.figures.shifts import shifts as shifts
from simulacra.report.figures.svg import to_svg as to_svg
from simulacra.report.figures.weights import weights as weights
