"""Language models: log-likelihoods of completions under persona prompts, and the miniature organism.

Scoring and training need PyTorch and transformers, the extra ``lm``: ``pip install 'simulacra[lm]'``. The logs of the
organism that ship with the package are read without them.
"""

from simulacra.lm.organism.shipped import load_organism_log as load_organism_log
from simulacra.lm.scoring import read_prompts as read_prompts
from simulacra.lm.scoring import score_log as score_log
from simulacra.lm.scoring import training_evidence as training_evidence
