"""An organism on disk: a model and a tokenizer in the Hugging Face format, and ``organism.json``.

``organism.json`` contains the personas' tags and the settings of training. ``AutoModelForCausalLM`` and
``AutoTokenizer`` load the same folder.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulacra.data.atomic import write_folder
from simulacra.data.extras import needs_extra
from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError
from simulacra.lm.scoring.bars import transformers_bars

__all__ = ["Organism", "load_organism", "read_record", "save_organism"]

_AGAIN = "delete the folder and build the organism again"
_RECORD, _WEIGHTS = "organism.json", "model.safetensors"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Organism:
    """A small language model with known personas.

    Attributes:
        folder: its folder.
        model: a causal language model (transformers), in evaluation mode.
        tokenizer: its tokenizer (transformers), with a chat template.
        tags: the token that elicits each persona, by persona; used in place of a system prompt.
        made: settings of training: recipe, seed, steps and, for a fine-tune, those of its base (``over``).
    """

    folder: Path
    model: Any
    tokenizer: Any
    tags: Mapping[str, str]
    made: Mapping[str, Any]

    def __repr__(self) -> str:
        return card(
            f"Organism {self.name!r} in {self.folder}",
            f"personas: {listing(f'{name} {tag}' for name, tag in self.tags.items())}",
            f"made: {listing(f'{what} {value}' for what, value in self.made.items())}",
            "next: sample_completions(organism, ...), finetune(organism, ...); organism.model, organism.tokenizer",
        )

    @property
    def name(self) -> str:
        """The recipe of its training; ``"base"`` before any fine-tuning."""
        return str(self.made["recipe"])


def load_organism(folder: str | Path) -> Organism:
    """Load an organism.

    Raises:
        InputError: the folder, its weights or its ``organism.json`` are missing or unreadable, or the tokenizer lacks
            a persona's tag.
        MissingExtraError: the extra ``lm`` is not installed.
    """
    folder = Path(folder)
    made = read_record(folder)
    if not (folder / _WEIGHTS).is_file():
        raise InputError(
            f"{folder / _WEIGHTS}: there are no weights", expected="weights from save_pretrained", remedy=_AGAIN
        )
    with needs_extra("lm"):
        from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        with transformers_bars(shown=False):
            model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # of transformers, tokenizers, safetensors or torch, depending on the file
        raise InputError(f"{folder}: the model cannot be loaded ({error})", remedy=_AGAIN) from error
    tags = made.pop("tags")
    known = tokenizer.get_vocab()
    lacking = {persona: tag for persona, tag in tags.items() if tag not in known}
    if lacking:
        raise InputError(
            f"{folder / 'tokenizer.json'}: the tokenizer lacks {', '.join(map(repr, lacking.values()))}, according to "
            f"{folder / _RECORD} the tag of {', '.join(lacking)}; expected every tag as one token. Restore the "
            "tokenizer that belongs to the model, or correct the tags"
        )
    return Organism(folder, model.eval(), tokenizer, tags, made)


def save_organism(folder: Path, model: Any, tokenizer: Any, record: Mapping[str, Any]) -> None:
    """Write an organism's folder, completely or not at all; an existing one is replaced."""

    def fill(new: Path) -> None:
        with transformers_bars(shown=False):
            model.save_pretrained(new)
        tokenizer.save_pretrained(new)
        (new / _RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    write_folder(folder, fill)


def read_record(folder: Path) -> dict[str, Any]:
    """The settings and tags of an organism, without loading the model.

    Raises:
        InputError: there is no ``organism.json``, or it is unreadable.
    """
    path = folder / _RECORD
    if not path.is_file():
        raise InputError(f"{path}: there is no such file", expected="a folder written by build_organism or finetune")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})", remedy=_AGAIN) from error
    if not isinstance(record, dict) or not isinstance(record.get("tags"), dict) or "recipe" not in record:
        raise InputError(
            f"{path}: is not the record of an organism",
            expected="an object with 'recipe' and 'tags' (token by persona)",
            remedy=_AGAIN,
        )
    return record
