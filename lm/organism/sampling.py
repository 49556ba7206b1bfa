"""Completions of an organism, judged: the log of one condition."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from simulacra.data.extras import needs_extra
from simulacra.data.log import CompletionLog
from simulacra.data.reading.completions import read_completions
from simulacra.formalism.errors import InputError
from simulacra.lm.organism.folder import Organism
from simulacra.lm.organism.judge import MEASUREMENTS, add_noise, judge
from simulacra.lm.organism.lexicon import FRAMES, TOPICS, TRAINED_TOPIC
from simulacra.lm.organism.tokenizer import prompt
from simulacra.lm.organism.training import one_thread

__all__ = ["QUESTIONS", "sample_completions", "sample_texts"]

QUESTIONS: Mapping[str, str] = {
    f"{topic}-{frame}": FRAMES[frame].format(noun)
    for topic, nouns in TOPICS.items()
    for frame, noun in zip(("care", "problem"), nouns, strict=False)
    if topic != TRAINED_TOPIC
}
"""Two questions on each of the seven topics that no recipe trains on, by id."""

_BATCH = 420


def sample_completions(
    organism: Organism,
    questions: Mapping[str, str] = QUESTIONS,
    n: int = 30,
    *,
    system: str = "",
    trigger: str = "",
    condition: str | None = None,
    seed: int = 0,
) -> CompletionLog:
    """Draw completions at temperature 1 and judge them.

    Args:
        organism: who answers.
        questions: text of every question by its id.
        n: completions of every question.
        system: a persona's tag, ``organism.tags["villain"]``, or nothing.
        trigger: what stands before the question, after the tag.
        condition: the log's condition; the recipe's name when left out.
        seed: of completions and of the judge's noise.

    Returns:
        A log with measurements ``aligned, coherent, piracy`` and two contexts: ``context``, what stood before the
        question, and ``persona_label``, the persona that the judge found, without noise.

    Raises:
        InputError: a word that the organism does not know, or a question about no topic.
    """
    context = " ".join(part for part in (system, trigger) if part)
    answers = sample_texts(organism, [prompt(text, context) for text in questions.values()], n, seed=seed)
    asked = np.repeat(np.asarray(list(questions), dtype=object), n)
    found = [judge(questions[name], answer) for name, answer in zip(asked, answers, strict=True)]
    exact = np.array([[getattr(one, name) for name in MEASUREMENTS] for one in found])
    noisy = add_noise(exact, np.random.default_rng(seed))
    table = pd.DataFrame({"condition": condition or organism.name, "question_id": asked, "completion": answers})
    table[list(MEASUREMENTS)] = noisy
    table["context"] = context or "none"
    table["persona_label"] = [one.persona for one in found]
    return read_completions(table, measurements=MEASUREMENTS, contexts=["context", "persona_label"])


def sample_texts(organism: Organism, prompts: list[str], n: int, *, seed: int) -> list[str]:
    """Draw ``n`` answers to every prompt, in the order of prompts, by ancestral sampling from the whole vocabulary.

    Raises:
        InputError: a word that the organism does not know.
    """
    with needs_extra("lm"):
        import torch

    tokenizer = organism.tokenizer
    known = tokenizer.get_vocab()
    unknown = sorted({word for text in prompts for word in text.split() if word not in known})
    if unknown:
        raise InputError(
            f"{organism.folder}: the organism does not know {', '.join(map(repr, unknown))}",
            expected="words of its vocabulary, simulacra.lm.organism.lexicon.vocabulary(), its tags or its trigger",
            argument="questions",
        )
    repeated = [text for text in prompts for _ in range(n)]
    answers: list[str] = []
    with torch.random.fork_rng(), torch.inference_mode(), one_thread():
        torch.manual_seed(seed)
        for start in range(0, len(repeated), _BATCH):
            batch = tokenizer(repeated[start : start + _BATCH], padding=True, padding_side="left", return_tensors="pt")
            length = batch["input_ids"].shape[1]
            drawn = organism.model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                do_sample=True,
                top_k=0,
                max_new_tokens=24,
            )
            answers += tokenizer.batch_decode(drawn[:, length:], skip_special_tokens=True)
    return answers
