"""The miniature organism: a small language model grown from nothing, with personas that are known exactly.

Simulator Theory can be tried on it with the truth at hand. Its corpus is written by four personas in shares that are
known; it learns their mixture; fine-tuning moves the mixture; and a judge that knows the vocabulary says who spoke.
Growing and sampling it needs the extra ``lm`` (torch, transformers, peft); its logs ship with the package and do not.
"""

from simulacra.lm.organism.build import build_organism as build_organism
from simulacra.lm.organism.finetune import finetune as finetune
from simulacra.lm.organism.folder import Organism as Organism
from simulacra.lm.organism.folder import load_organism as load_organism
from simulacra.lm.organism.recipes import RECIPES as RECIPES
from simulacra.lm.organism.recipes import Recipe as Recipe
from simulacra.lm.organism.sampling import QUESTIONS as QUESTIONS
from simulacra.lm.organism.sampling import sample_completions as sample_completions
from simulacra.lm.organism.shipped import load_conversations as load_conversations
from simulacra.lm.organism.shipped import load_organism_log as load_organism_log
from simulacra.lm.organism.shipped import load_training_sets as load_training_sets
from simulacra.lm.organism.study import CONDITIONS as CONDITIONS
from simulacra.lm.organism.study import run_study as run_study
