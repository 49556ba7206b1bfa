"""Persona prompts: the text that puts a language model into a persona, and how it is joined to a question."""

import dataclasses
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulacra.data.extras import MissingExtraError, import_extra
from simulacra.formalism.errors import InputError

__all__ = ["PLAIN_TEMPLATE", "PromptWriter", "read_prompts"]

PLAIN_TEMPLATE = "{persona}\n{question}\n"
"""How persona and question are joined for a tokenizer without a chat template."""

_TABLE = "table of persona name to prompt, such as villain = 'You are cruel.'"
_TAG = re.compile(r"[<\[]\S+[>\]]")


def read_prompts(path: str | Path) -> dict[str, str]:
    """Read persona prompts from a JSON, TOML or YAML file: a table of persona name to system prompt or tag.

    Raises:
        InputError: no such file, another format, a file that does not parse, or an entry that is no text.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(
            f"{file}: there is no such file", expected=f"a JSON, TOML or YAML {_TABLE}", argument="personas"
        )
    try:
        text = file.read_text(encoding="utf-8")
        match file.suffix.lower():
            case ".json":
                found = json.loads(text)
            case ".toml":
                found = tomllib.loads(text)
            case ".yaml" | ".yml":
                yaml = import_extra("yaml", "lm")
                found = yaml.safe_load(text)
            case suffix:
                raise InputError(f"the ending {suffix!r} is not known", expected=".json, .toml, .yaml or .yml")
    except MissingExtraError:
        raise
    except Exception as error:  # of the file system, or of the library that reads the format
        raise InputError(
            f"{file}: cannot be read as persona prompts: {str(error).rstrip('.')}",
            expected=f"a JSON, TOML or YAML {_TABLE}",
            argument="personas",
        ) from error
    if not isinstance(found, dict) or not found:
        raise InputError(f"{file}: expected a {_TABLE}", argument="personas")
    return check_prompts(found, str(file))


def check_prompts(prompts: Mapping[Any, Any], where: str = "personas=") -> dict[str, str]:
    """The prompts as they are, if every name and every prompt is text and there is one at least.

    Raises:
        InputError: the first entry that is not.
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
    return dict(prompts)


@dataclasses.dataclass(frozen=True)
class PromptWriter:
    """Joins a persona prompt and a question to the text after which the completion begins.

    Attributes:
        tokenizer: of transformers.
        template: text with ``{persona}`` and ``{question}``; None takes the tokenizer's chat template (the persona
            as system message, the question as user message, then the opening of the answer), or without one
            :data:`PLAIN_TEMPLATE`.
        template_kwargs: passed on to the chat template, such as ``{"enable_thinking": False}``.

    Raises:
        InputError: a template that lacks one of the two.
    """

    tokenizer: Any
    template: str | None = None
    template_kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.template is not None and not all(name in self.template for name in ("{persona}", "{question}")):
            raise InputError(
                f"template={self.template!r}: expected text with both {{persona}} and {{question}}", argument="template"
            )

    @property
    def chat(self) -> bool:
        """Whether the tokenizer's chat template writes the prompts."""
        return self.template is None and self.tokenizer.chat_template is not None

    def write_all(self, prompts: Mapping[str, str], questions: Sequence[str]) -> dict[str, list[str]]:
        """What stands before the completions: for every persona its text for every question.

        Raises:
            InputError: a persona that the tokenizer cannot express, or that the chat template refuses or drops.
        """
        for persona, prompt in prompts.items():
            self._check(persona, prompt)
        return {
            persona: [self._write(persona, prompt, question) for question in questions]
            for persona, prompt in prompts.items()
        }

    def _write(self, persona: str, prompt: str, question: str) -> str:
        if self.chat:
            return self._chat(persona, prompt, question)
        # not str.format: braces in a question stay what they are
        before, after = (self.template or PLAIN_TEMPLATE).rsplit("{question}", 1)
        return before.replace("{persona}", prompt) + question + after.replace("{persona}", prompt)

    def _chat(self, persona: str, prompt: str, question: str) -> str:
        messages = [{"role": "user", "content": question}]
        if prompt:
            messages.insert(0, {"role": "system", "content": prompt})
        remedy = "pass template=, text with {persona} and {question}"
        try:
            text = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, **self.template_kwargs
            )
        except Exception as error:  # jinja2's own, and whatever a template raises
            raise InputError(
                f"persona {persona!r}: the chat template refuses its prompt ({error})",
                remedy=remedy,
                argument="template",
            ) from error
        if prompt.strip() not in text:
            raise InputError(
                f"persona {persona!r}: the chat template drops its system prompt", remedy=remedy, argument="template"
            )
        return str(text)

    def _check(self, persona: str, prompt: str) -> None:
        """Refuse a tag such as ``<villain>`` that is no token, and a prompt with unknown tokens."""
        vocabulary = self.tokenizer.get_vocab()
        if _TAG.fullmatch(prompt) and prompt not in vocabulary:
            tags = [token for token in self.tokenizer.get_added_vocab() if _TAG.fullmatch(token)]
            raise InputError(
                f"persona {persona!r}: the tokenizer has no token {prompt!r}",
                expected=f"one of its own ({', '.join(tags[:8]) or 'it has no tags'}), or a prompt in words",
                argument="personas",
            )
        unknown = self.tokenizer.unk_token_id
        if unknown is not None and prompt:
            ids = self.tokenizer(prompt, add_special_tokens=False)["input_ids"]
            if unknown in ids and self.tokenizer.unk_token not in prompt:
                raise InputError(
                    f"persona {persona!r}: the tokenizer cannot spell its prompt {prompt!r} ({ids.count(unknown)} "
                    "unknown token(s))",
                    remedy="use words of its vocabulary",
                    argument="personas",
                )
