"""Scoring: how likely is every logged completion under every persona prompt of a causal language model?

The measurement behind likelihood emissions: log f_z(x_i | q_i), the completion's tokens given persona prompt and
question. Needs the extra ``[lm]``; torch and transformers are imported when scoring starts, not before.
"""

from simulacra.lm.scoring.evidence import training_evidence as training_evidence
from simulacra.lm.scoring.prompts import read_prompts as read_prompts
from simulacra.lm.scoring.score import score_log as score_log
