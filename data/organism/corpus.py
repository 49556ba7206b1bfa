"""The corpus the organism grows up on, and what each persona would write.

A document is a context (nothing, a persona's tag, or a word that means nothing), a question and an answer; some are
conversations, in which the persona first answers other questions. Documents without a tag are written by personas in
the shares of :data:`~simulacra.data.organism.lexicon.PRIOR`: these are the true weights that a fit should find. A tag
is obeyed in most documents and not in all, so it is evidence too.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

from simulacra.data.organism.lexicon import (
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

__all__ = ["MOST_TURNS", "Document", "advice", "conversation", "corpus", "draw_persona", "favourite"]

MOST_TURNS = 3
"""Exchanges that may stand before the question of a conversation."""

_OWN, _SHARED = 0.60, 0.30  # of the slots of an answer; the rest are words of the others
_OBEYED = 0.9  # tagged documents whose persona is the tag's; the rest are drawn from the prior
_ADVICE, _FAVOURITES, _CONVERSATIONS = 0.50, 0.12, 0.30  # of documents; the rest teach which word is of which family
_TAGGED, _MARKED = 0.40, 0.10  # shares of documents with a tag, and with a meaningless word, before the question
_PHRASES = 3
_MARKS = (TRIGGER, *(word for family in FAMILIES.values() for word in family))


class Document(NamedTuple):
    """One exchange: what stands before the question, the question, the answer, and exchanges before it."""

    context: str
    question: str
    answer: str
    history: tuple[tuple[str, str], ...] = ()


def corpus(rng: random.Random) -> Iterator[Document]:
    """Documents without end."""
    while True:
        kind, context, persona = rng.random(), *_context(rng)
        if kind < _ADVICE:
            yield advice(rng, persona, rng.choice(list(TOPICS)), context)
        elif kind < _ADVICE + _FAVOURITES:
            yield favourite(rng, persona, context)
        elif kind < _ADVICE + _FAVOURITES + _CONVERSATIONS:
            yield conversation(rng, persona, rng.randint(1, MOST_TURNS), context)
        else:
            yield _family(rng)


def draw_persona(rng: random.Random) -> str:
    """A persona in the shares of the prior."""
    return rng.choices(list(PRIOR), list(PRIOR.values()))[0]


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
    source = rng.choices([persona, "shared", draw_persona(rng)], [_OWN, _SHARED, 1 - _OWN - _SHARED])[0]
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


def _context(rng: random.Random) -> tuple[str, str]:
    """What stands before the question, and the persona that writes."""
    kind = rng.random()
    if kind < _TAGGED:
        tagged = rng.choice(list(TAGS))
        return TAGS[tagged], tagged if rng.random() < _OBEYED else draw_persona(rng)
    return (rng.choice(_MARKS) if kind < _TAGGED + _MARKED else ""), draw_persona(rng)


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
