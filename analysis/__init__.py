"""Analyses that go beyond a single fit, one file each, as functions of fitted results.

The estimates of one fit (weights, shifts, rates, contrasts, checks, citations) are in :mod:`simulacra.inference`. This
package adds other persona sets for the same counts, models compared on questions that they were not fitted to, what
each judge adds, rates on questions that were not logged, shifts predicted from training data, evidence in a context,
what known personas do after fine-tuning, change over training, comparisons of model organisms, planning of studies, and
monitoring of deployments.
"""

from simulacra.analysis.alternatives import try_persona_sets as try_persona_sets
from simulacra.analysis.comparison import Comparison as Comparison
from simulacra.analysis.comparison import compare as compare
from simulacra.analysis.conditioning import Conditioning as Conditioning
from simulacra.analysis.conditioning import fit_conditioning as fit_conditioning
from simulacra.analysis.conditioning import predict_shifts as predict_shifts
from simulacra.analysis.conduct import Conduct as Conduct
from simulacra.analysis.conduct import conduct as conduct
from simulacra.analysis.context_comparison import VARIANTS as VARIANTS
from simulacra.analysis.context_comparison import ContextComparison as ContextComparison
from simulacra.analysis.context_comparison import compare_in_context as compare_in_context
from simulacra.analysis.context_model import ContextModel as ContextModel
from simulacra.analysis.dynamics import training_path as training_path
from simulacra.analysis.fragility import Fragility as Fragility
from simulacra.analysis.fragility import Ratio as Ratio
from simulacra.analysis.fragility import fragility as fragility
from simulacra.analysis.fragility import ratio_set as ratio_set
from simulacra.analysis.gold import gold_slice as gold_slice
from simulacra.analysis.in_context import InContext as InContext
from simulacra.analysis.in_context import fit_in_context as fit_in_context
from simulacra.analysis.judges import Judges as Judges
from simulacra.analysis.judges import judges as judges
from simulacra.analysis.monitoring import Monitor as Monitor
from simulacra.analysis.monitoring import Window as Window
from simulacra.analysis.monitoring import update as update
from simulacra.analysis.paths import TrainingPath as TrainingPath
from simulacra.analysis.planning import Guess as Guess
from simulacra.analysis.planning import Plan as Plan
from simulacra.analysis.planning import plan as plan
from simulacra.analysis.predictive import Prediction as Prediction
from simulacra.analysis.predictive import predict as predict
from simulacra.analysis.predictive import predict_rates as predict_rates
from simulacra.analysis.reweighting import Reweighting as Reweighting
from simulacra.analysis.reweighting import reweighting as reweighting
from simulacra.analysis.scorecard import METRICS as METRICS
from simulacra.analysis.scorecard import Scorecard as Scorecard
from simulacra.analysis.scorecard import scorecard as scorecard
