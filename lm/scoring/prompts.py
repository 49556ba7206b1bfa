"""Persona prompts: the text that elicits a persona from a language model, and its combination with a question."""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from simulacra.data.extras import MissingExtraError, import_extra
from simulacra.data.numerals import grouped
from simulacra.data.reading.formats.records import lone_surrogate
from simulacra.formalism.errors import InputError
from simulacra.formalism.toml_files import read_toml
from simulacra.lm.scoring.chat import ChatTemplate, as_messages, check_date

__all__ = ["DATE", "PLAIN_TEMPLATE", "PromptWriter", "WrittenPrompts", "check_prompts", "read_prompts"]

PLAIN_TEMPLATE = "{persona}\n{question}\n"
"""Template that combines persona and question for a tokenizer without a chat template."""

DATE = "2025-01-01"
"""The date that chat templates write instead of today's, so that prompts do not depend on the day."""

_TABLE = "table of persona name to prompt, such as villain = 'You are cruel.'"
_TAG = re.compile(r"[<\[]\S+[>\]]")


def read_prompts(path: str | Path) -> dict[str, str]:
    """Read persona prompts from a JSON, TOML or YAML file: a table of persona name to system prompt or tag.

    Raises:
        InputError: no such file, another format, a file that cannot be parsed, or an entry that is not text.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(
            f"{file}: there is no such file", expected=f"a JSON, TOML or YAML {_TABLE}", argument="personas"
        )
    expected = f"a JSON, TOML or YAML {_TABLE}"
    if file.suffix.lower() == ".toml":
        found: Any = read_toml(file, "persona prompts", expected=expected, argument="personas")
    else:
        found = _read_json_or_yaml(file, expected)
    if not isinstance(found, dict) or not found:
        raise InputError(f"{file}: expected a {_TABLE}", argument="personas")
    return check_prompts(found, str(file))


def _read_json_or_yaml(file: Path, expected: str) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
        match file.suffix.lower():
            case ".json":
                return json.loads(text)
            case ".yaml" | ".yml":
                return import_extra("yaml", "lm").safe_load(text)
            case suffix:
                raise InputError(f"unknown file extension {suffix!r}", expected=".json, .toml, .yaml or .yml")
    except MissingExtraError:
        raise
    except Exception as error:  # of the file system, or of the library that reads the format
        raise InputError(
            f"{file}: cannot be read as persona prompts: {str(error).rstrip('.')}",
            expected=expected,
            argument="personas",
        ) from error


def check_prompts(prompts: Mapping[Any, Any], where: str = "personas=") -> dict[str, str]:
    """The prompts unchanged, after checking that there is at least one and that all names and prompts are text.

    Raises:
        InputError: no entry, or the first invalid one.
    """
    if not prompts:
        raise InputError(f"{where}: no persona", expected="a name and a prompt for each", argument="personas")
    for name, prompt in prompts.items():
        if not isinstance(name, str) or not name or not isinstance(prompt, str):
            raise InputError(
                f"{where}: persona {name!r} is {prompt!r}",
                expected="a name and its prompt, both text",
                argument="personas",
            )
        if lone := lone_surrogate(name + prompt):
            raise InputError(
                f"{where}: persona {name!r}: {lone} is half of a surrogate pair, which is no character",
                expected="text",
                argument="personas",
            )
    return dict(prompts)


class WrittenPrompts(NamedTuple):
    """Complete prompts.

    Attributes:
        texts: for every persona one text per question.
        notes: what was done to write them, for the account of the log.
    """

    texts: dict[str, list[str]]
    notes: list[str]


@dataclasses.dataclass(frozen=True)
class PromptWriter:
    """Combines a persona prompt and a question to the text that precedes the completion.

    Attributes:
        tokenizer: a tokenizer of transformers.
        template: text with ``{persona}`` and ``{question}``; None uses the tokenizer's chat template (the persona
            as system message, the question as user message, then the beginning of the answer), or without one
            :data:`PLAIN_TEMPLATE`.
        template_kwargs: passed to the chat template, such as ``{"enable_thinking": False}``.
        date: the date, YYYY-MM-DD, for chat templates that write today's.

    Raises:
        InputError: a template without one of the two fields, or a date that is none.
    """

    tokenizer: Any
    template: str | None = None
    template_kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    date: str = DATE

    def __post_init__(self) -> None:
        check_date(self.date)
        if self.template is not None and not all(name in self.template for name in ("{persona}", "{question}")):
            raise InputError(
                f"template={self.template!r}: expected text with both {{persona}} and {{question}}", argument="template"
            )

    @property
    def chat(self) -> bool:
        """Whether the tokenizer's chat template writes the prompts."""
        return self.template is None and self.tokenizer.chat_template is not None

    def write_all(self, prompts: Mapping[str, str], questions: Sequence[str]) -> WrittenPrompts:
        """The texts before the completions.

        Raises:
            InputError: a persona that the tokenizer cannot express, or that the chat template rejects or drops; a list
                of messages as a question, but no chat template.
        """
        for persona, prompt in prompts.items():
            self._check(persona, prompt)
        if self.chat:
            texts, notes = ChatTemplate(self.tokenizer, self.template_kwargs, self.date).write_all(prompts, questions)
        else:
            texts, notes = self._fill_in(prompts, questions), []
        return WrittenPrompts(texts, [*notes, *self._note_special_tokens(questions)])

    def _fill_in(self, prompts: Mapping[str, str], questions: Sequence[str]) -> dict[str, list[str]]:
        if listed := next((text for text in questions if as_messages(text)), None):
            raise InputError(
                f"the question {listed[:60]!r} is a list of messages",
                expected="a tokenizer with a chat template, and no template=",
                argument=("model", "template"),
            )
        before, after = (self.template or PLAIN_TEMPLATE).rsplit("{question}", 1)
        return {  # not by str.format, so that braces in a question are kept
            persona: [
                before.replace("{persona}", prompt) + text + after.replace("{persona}", prompt) for text in questions
            ]
            for persona, prompt in prompts.items()
        }

    def _note_special_tokens(self, questions: Sequence[str]) -> list[str]:
        names = [str(token) for token in self.tokenizer.added_tokens_decoder.values() if token.special]
        count = sum(any(name in text for name in names) for text in questions)
        return [f"{grouped(count)} question(s) contain special tokens of the tokenizer, read as such"] if count else []

    def _check(self, persona: str, prompt: str) -> None:
        """Reject a tag such as ``<villain>`` that is not a token, and a prompt with unknown tokens."""
        vocabulary = self.tokenizer.get_vocab()
        if _TAG.fullmatch(prompt) and prompt not in vocabulary:
            tags = [token for token in self.tokenizer.get_added_vocab() if _TAG.fullmatch(token)]
            raise InputError(
                f"persona {persona!r}: the tokenizer has no token {prompt!r}",
                expected=f"one of its tags ({', '.join(tags[:8]) or 'it has none'}), or a prompt in words",
                argument="personas",
            )
        unknown = self.tokenizer.unk_token_id
        if unknown is not None and prompt:
            ids = self.tokenizer(prompt, add_special_tokens=False)["input_ids"]
            if unknown in ids and self.tokenizer.unk_token not in prompt:
                raise InputError(
                    f"persona {persona!r}: the tokenizer cannot encode its prompt {prompt!r} ({ids.count(unknown)} "
                    "unknown token(s))",
                    remedy="use words of its vocabulary",
                    argument="personas",
                )
