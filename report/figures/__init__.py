"""Figures of a result. Each function draws one and returns it as a matplotlib ``Figure``, whose label is its alt text.

Needs the extra ``report``. Save one with ``figure.savefig("weights.pdf")``; for web pages, ``to_svg`` gives an SVG that
follows the page's light or dark scheme.
"""

from simulacra.report.figures.portraits import portrait as portrait
from simulacra.report.figures.predictive import posterior_predictive as posterior_predictive
from simulacra.report.figures.rates import implied_against_observed as implied_against_observed
from simulacra.report.figures.rates import rate_by_question as rate_by_question
from simulacra.report.figures.sampling import energy as energy
from simulacra.report.figures.sampling import rank as rank
from simulacra.report.figures.sampling import trace as trace
from simulacra.report.figures.shifts import rate_differences as rate_differences
from simulacra.report.figures.shifts import shifts as shifts
from simulacra.report.figures.svg import to_svg as to_svg
from simulacra.report.figures.weights import weights as weights
