"""Log-likelihoods under the base organism's personas: of training sets before training, and of conversations by turn.

Both test the claims that fine-tuning and contexts condition a mixture, eqs. (5) and (6).
"""

import itertools
import random
from collections.abc import Sequence

import numpy as np
import pandas as pd

from simulacra.data.extras import import_extra
from simulacra.data.reading.completions import read_completions
from simulacra.formalism.emissions.likelihoods import COLUMN
from simulacra.lm.organism.corpus import MOST_TURNS, conversation
from simulacra.lm.organism.folder import Organism
from simulacra.lm.organism.judge import judge
from simulacra.lm.organism.lexicon import PRIOR
from simulacra.lm.organism.recipes import RECIPES
from simulacra.lm.organism.sampling import QUESTIONS, sample_texts
from simulacra.lm.organism.tokenizer import END, prompt
from simulacra.lm.organism.training import one_thread
from simulacra.lm.scoring import score_log

__all__ = ["SCORES", "sample_conversations", "score_training_sets"]

SCORES = [COLUMN.format(persona) for persona in PRIOR]
"""Log-likelihoods under every persona's tag, in nats."""


def score_training_sets(organism: Organism, n: int = 200, *, seed: int = 0) -> pd.DataFrame:
    """The first ``n`` documents of every recipe, with their log-likelihoods under every persona's tag.

    Args:
        organism: the base organism, before any fine-tuning.
        n: documents per recipe.
        seed: random seed of the documents, as given to ``finetune``.

    Returns:
        Columns ``condition`` (the recipe), ``question_id`` (the question), ``completion, context`` (the context before
        the question) and ``log_likelihood_<persona>`` in nats.
    """
    rows = [
        (name, document.question, document.answer, document.context or "none")
        for name, recipe in RECIPES.items()
        for document in itertools.islice(recipe.documents(random.Random(seed)), n)
    ]
    table = pd.DataFrame(rows, columns=["condition", "question_id", "completion", "context"])
    return table.join(_score(organism, table["question_id"], table["completion"]))


def sample_conversations(
    organism: Organism, conversations: int = 20, n: int = 20, *, system: str = "", scored: bool = True, seed: int = 0
) -> pd.DataFrame:
    """Sample answers of an organism after zero, one, two … turns of a persona.

    Args:
        organism: the organism to sample from.
        conversations: conversations per persona.
        n: answers of the organism after every turn.
        system: a persona's tag before the first turn, or empty.
        scored: whether the organism scores the turns. The turns depend on the seed and the number of conversations
            only, so the scores of the base organism apply to those of a fine-tune.
        seed: random seed of the conversations and answers.

    Returns:
        One row per conversation and number of turns: ``persona`` (which generated the turns), ``conversation, turns,
        question, completion`` (of the last turn, empty before the first), ``answers_<persona>``, the number of answers
        of that persona, according to the judge without noise, and, if scored, ``log_likelihood_<persona>`` of the last
        turn in nats.
    """
    rng = random.Random(seed)
    rows, prompts, asked = [], [], []
    for persona in PRIOR:
        for number in range(conversations):
            history = conversation(rng, persona, MOST_TURNS).history
            question = rng.choice(list(QUESTIONS.values()))
            for turns in range(MOST_TURNS + 1):
                rows.append((persona, number, turns, *(history[turns - 1] if turns else ("", ""))))
                prompts.append(prompt(question, system, history[:turns]))
                asked.append(question)
    table = pd.DataFrame(rows, columns=["persona", "conversation", "turns", "question", "completion"])
    answers = np.reshape(sample_texts(organism, prompts, n, seed=seed), (-1, n))
    found = [[judge(question, answer).persona for answer in row] for question, row in zip(asked, answers, strict=True)]
    for persona in PRIOR:
        table[f"answers_{persona}"] = [row.count(persona) for row in found]
    if not scored:
        return table
    said = table["turns"] > 0
    table[SCORES] = 0.0
    table.loc[said, SCORES] = _score(organism, table.loc[said, "question"], table.loc[said, "completion"]).to_numpy()
    return table


def _score(
    organism: Organism, questions: Sequence[str] | pd.Series, answers: Sequence[str] | pd.Series
) -> pd.DataFrame:
    """Log-likelihood of every answer, including its end, under every persona's tag."""
    table = pd.DataFrame({"condition": "any", "question_id": questions, "question": questions, "completion": answers})
    log = read_completions(table.reset_index(drop=True))
    models = import_extra("simulacra.lm.scoring.language_model", "lm")
    model = models.LanguageModel(organism.model, organism.tokenizer, str(organism.folder))
    with one_thread():
        scored = score_log(log, model=model, personas=organism.tags, end_token=END, progress_bar=False)
    return scored.table[SCORES].reset_index(drop=True)
