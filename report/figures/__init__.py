"""Figures of a result. Each function returns a matplotlib ``Figure``, whose label is its alternative text.

They require the extra ``report``. All take the options of :class:`Options` by keyword, and follow the settings of
matplotlib (``rcParams``, style sheets) where these differ from what matplotlib ships; :data:`STYLE` has the defaults.
Save a figure with ``figure.savefig("weights.pdf")``: its text is text, in PDF with Type 42 fonts. With ``ax=``, the
figure is yours, and so are the settings with which it is saved: ``matplotlib.rcParams.update(figures.FONTS)`` sets
these fonts. For web pages, ``to_svg`` returns an SVG that follows the light or dark scheme of the page.
"""

from simulacra.report.figures.fragility import fragility as fragility
from simulacra.report.figures.options import Options as Options
from simulacra.report.figures.paths import training_paths as training_paths
from simulacra.report.figures.portraits import portrait as portrait
from simulacra.report.figures.predictive import posterior_predictive as posterior_predictive
from simulacra.report.figures.questions import rate_by_question as rate_by_question
from simulacra.report.figures.rates import explained_rates as explained_rates
from simulacra.report.figures.rates import rates as rates
from simulacra.report.figures.sampling import energy as energy
from simulacra.report.figures.sampling import rank as rank
from simulacra.report.figures.sampling import trace as trace
from simulacra.report.figures.scorecard import scorecard as scorecard
from simulacra.report.figures.shifts import rate_differences as rate_differences
from simulacra.report.figures.shifts import shifts as shifts
from simulacra.report.figures.style import FONTS as FONTS
from simulacra.report.figures.style import STYLE as STYLE
from simulacra.report.figures.svg import to_svg as to_svg
from simulacra.report.figures.weights import weights as weights
