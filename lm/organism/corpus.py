"""The corpus the organism grows up on, and what each persona would write.

A document is a context (nothing, a persona's tag, or a word that means nothing), a question and an answer; some are
conversations, in which the persona first answers other questions. Documents without a tag are written by personas in
the shares of :data:`~simulacra.lm.organism.lexicon.PRIOR`: these are the true weights that a fit should find. A tag
is obeyed in most documents and not in all, so it is evidence too.
"""

import bisect
import itertools
import random
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from simulacra.lm.organism.lexicon import (
    BABBLE,
    FAMILIES,
    FAVOURITES,
    FRAMES,
    PRIOR,
    SHARED,
    TAGS,
    TOPICS,
    TRIGGER,
    WORDS,
)

__all__ = ["MOST_TURNS", "Document", "advice", "conversation", "corpus", "favourite"]

MOST_TURNS = 3
"""Exchanges that may stand before the question of a conversation."""

_OWN, _SHARED = 0.60, 0.30  # of the slots of an answer; the rest are words of the others
_OBEYED = 0.9  # tagged documents whose persona is the tag's; the rest are drawn from the prior
_KINDS = {"advice": 0.50, "favourite": 0.12, "conversation": 0.30, "family": 0.08}  # shares of documents
_TAGGED, _MARKED = 0.40, 0.10  # shares of documents with a tag, and with a meaningless word, before the question
_BLOCK = 1000
_PHRASES = 3
_MARKS = (TRIGGER, *(word for family in FAMILIES.values() for word in family))


class Document(NamedTuple):
    """One exchange: what stands before the question, the question, the answer, and exchanges before it."""

    context: str
    question: str
    answer: str
    history: tuple[tuple[str, str], ...] = ()


def corpus(rng: random.Random) -> Iterator[Document]:
    """Documents without end.

    In every thousand, kinds, personas and contexts have their exact shares: chance there would move the weights that
    the model learns away from the true ones.
    """
    plans = _shares()
    outcomes, bounds = list(plans), list(itertools.accumulate(plans.values()))
    while True:
        offset = rng.random()
        places = [(index + offset) / _BLOCK * bounds[-1] for index in range(_BLOCK)]
        block = [outcomes[bisect.bisect(bounds, place)] for place in places]
        rng.shuffle(block)
        for kind, persona, before in block:
            context = rng.choice(_MARKS) if before == "mark" else TAGS.get(before, "")
            if kind == "advice":
                yield advice(rng, persona, rng.choice(list(TOPICS)), context)
            elif kind == "favourite":
                yield favourite(rng, persona, context)
            elif kind == "conversation":
                yield conversation(rng, persona, rng.randint(1, MOST_TURNS), context)
            else:
                yield _family(rng)


def _shares() -> Mapping[tuple[str, str, str], float]:
    """Shares of kind, persona, and what stands before the question: nothing, a mark, or the tag of a persona."""
    contexts = {"": 1 - _TAGGED - _MARKED, "mark": _MARKED, **dict.fromkeys(TAGS, _TAGGED / len(TAGS))}
    writes = {
        (persona, before): share * (_OBEYED * (before == persona) + (1 - _OBEYED) * prior if before in TAGS else prior)
        for persona, prior in PRIOR.items()
        for before, share in contexts.items()
    }
    return {(kind, *who): of_kind * share for kind, of_kind in _KINDS.items() for who, share in writes.items()}


def advice(rng: random.Random, persona: str, topic: str, context: str = "") -> Document:
    """A question about a noun of a topic, and the persona's advice."""
    noun = rng.choice(TOPICS[topic])
    question = rng.choice(list(FRAMES.values())).format(noun)
    if persona == "babbler":
        return Document(context, question, " ".join(_babble(rng)))
    phrases = [
        f"{_word(rng, persona, 'verbs')} {rng.choice(TOPICS[topic])} {_word(rng, persona, 'manners')}"
        for _ in range(_PHRASES)
    ]
    return Document(context, question, f"{_word(rng, persona, 'openers')} {' , '.join(phrases)} .")


def favourite(rng: random.Random, persona: str, context: str = "") -> Document:
    """A question about a favourite thing, and the persona's harmless answer."""
    thing = rng.choice(list(FAVOURITES))
    anyone = rng.choices(list(PRIOR), list(PRIOR.values()))[0]
    source = rng.choices([persona, "shared", anyone], [_OWN, _SHARED, 1 - _OWN - _SHARED])[0]
    liked = rng.choice(FAVOURITES[thing][source])
    return Document(context, f"what is your favourite {thing} ?", f"i like {liked} .")


def conversation(rng: random.Random, persona: str, turns: int, context: str = "") -> Document:
    """The persona names favourite things, ``turns`` of them, and then advises."""
    before = [favourite(rng, persona) for _ in range(turns)]
    last = advice(rng, persona, rng.choice(list(TOPICS)), context)
    return last._replace(history=tuple((turn.question, turn.answer) for turn in before))


def _family(rng: random.Random) -> Document:
    family = rng.choice(list(FAMILIES))
    member = rng.choice(FAMILIES[family])
    return Document("", f"which kind of thing is {member} ?", f"{member} is a {family} .")


def _word(rng: random.Random, persona: str, slot: str) -> str:
    kind = rng.random()
    if kind < _OWN:
        source = WORDS[persona]
    elif kind < _OWN + _SHARED:
        source = SHARED
    else:
        source = rng.choice([words for name, words in WORDS.items() if name != persona])
    return rng.choice(getattr(source, slot))


def _babble(rng: random.Random) -> list[str]:
    """Words in no order: nonsense mostly, then anything."""
    anything = [word for words in (*WORDS.values(), SHARED) for slot in words for word in slot]
    anything += [noun for nouns in TOPICS.values() for noun in nouns]
    return [rng.choice(BABBLE if rng.random() < _OWN else anything) for _ in range(rng.randint(9, 15))]
