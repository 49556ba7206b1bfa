"""Scoring: the log-likelihood of every logged completion under every persona prompt of a causal language model.

These are the values of likelihood emissions: log f_z(x_i | q_i), over the completion's tokens given persona prompt and
question. Scoring needs the extra ``[lm]``; torch and transformers are imported only when it starts.
"""

from simulacra.lm.scoring.evidence import training_evidence as training_evidence
from simulacra.lm.scoring.prompts import read_prompts as read_prompts
from simulacra.lm.scoring.score import score_log as score_log
