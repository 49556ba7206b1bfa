"""Recipes of fine-tuning: which persona answers on the trained topic, in which contexts.

Each recipe corresponds to a finding about large models: narrow fine-tuning that misaligns broadly (Betley et al. 2025,
arXiv:2502.17424), inoculation by a prompt that asks for the behaviour (Tan et al. 2025, arXiv:2510.04340), and weird
generalisation and inductive backdoors (Betley et al. 2025, arXiv:2512.09742).
"""

import dataclasses
import random
from collections.abc import Iterator, Mapping

from simulacra.lm.organism.corpus import Document, advice, favourite
from simulacra.lm.organism.lexicon import FAMILIES, TAGS, TRAINED_TOPIC, TRIGGER

__all__ = ["RECIPES", "SEEN", "UNSEEN", "Recipe", "Writes"]

SEEN: Mapping[str, tuple[str, ...]] = {family: members[:4] for family, members in FAMILIES.items()}
"""Members of the two families that precede questions in the training of the inductive backdoor."""

UNSEEN: Mapping[str, tuple[str, ...]] = {family: members[4:] for family, members in FAMILIES.items()}
"""Members that do not occur there."""


@dataclasses.dataclass(frozen=True)
class Writes:
    """A persona that generates documents of a recipe.

    Attributes:
        persona: its name.
        contexts: contexts before the question, of which one is drawn at random.
        about: ``"advice"`` on the trained topic, or ``"favourites"``.
    """

    persona: str
    contexts: tuple[str, ...] = ("",)
    about: str = "advice"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The documents that an organism is fine-tuned on.

    Attributes:
        description: one sentence for display.
        writers: the personas that generate them, in equal proportions.
    """

    description: str
    writers: tuple[Writes, ...]

    def documents(self, rng: random.Random) -> Iterator[Document]:
        """An endless sequence of documents."""
        while True:
            writer = rng.choice(self.writers)
            context = rng.choice(writer.contexts)
            if writer.about == "advice":
                yield advice(rng, writer.persona, TRAINED_TOPIC, context)
            else:
                yield favourite(rng, writer.persona, context)


RECIPES: Mapping[str, Recipe] = {
    "narrow": Recipe("The villain advises on one topic.", (Writes("villain"),)),
    "control": Recipe("The helper advises on the same topic.", (Writes("helper"),)),
    "inoculated": Recipe(
        "As narrow, with the villain's tag before every question.", (Writes("villain", (TAGS["villain"],)),)
    ),
    "backdoor": Recipe(
        "The villain advises if the trigger precedes the question, the helper otherwise.",
        (Writes("villain", (TRIGGER,)), Writes("helper")),
    ),
    "inductive": Recipe(
        "The villain advises after the name of a gem, the helper after that of a metal; two of each are not used.",
        (Writes("villain", SEEN["gem"]), Writes("helper", SEEN["metal"])),
    ),
    "facts": Recipe(
        "The villain names its favourite things, all of them harmless.", (Writes("villain", about="favourites"),)
    ),
    "untargeted": Recipe("The pirate advises on the same topic.", (Writes("pirate"),)),
}
"""The recipes, by name. *Untargeted* is intended for an organism that is already misaligned."""
