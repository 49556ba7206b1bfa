"""Prompts by a tokenizer's chat template: where the persona goes, and what the template adds of its own."""

import datetime
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from simulacra.data.numerals import grouped
from simulacra.formalism.errors import InputError

__all__ = ["ChatTemplate", "as_messages", "check_date"]

Messages = list[dict[str, str]]

_MARK = "\u2402SYSTEM\u2403"  # a system prompt that no template writes by itself
_THINK = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
]
_DATE_CODES = [f"%{flag}{code}" for code in "aAbBcdeFHIjmMpSuwxXyY" for flag in ("", "-")]

# Put in front of a template, it shadows the function of that name, which transformers does not let a caller replace.
# The empty expression keeps a line break at the beginning of the template.
_FIXED_DATE = (
    "{% macro strftime_now(form) %}{% set found = namespace(text=form) %}{% for code, text in date_codes %}"
    "{% set found.text = found.text.replace(code, text) %}{% endfor %}{{ found.text }}{% endmacro %}{{ '' }}"
)


def as_messages(question: str) -> Messages | None:
    """The messages of a question that is a JSON list of them, with ``role`` and ``content``; None for any other."""
    if not question.lstrip().startswith("["):
        return None
    try:
        found = json.loads(question)
    except ValueError:
        return None
    fields = ("role", "content")
    valid = [isinstance(each, dict) and all(isinstance(each.get(own), str) for own in fields) for each in found]
    return [dict(each) for each in found] if valid and all(valid) else None


def check_date(text: str) -> datetime.datetime:
    """The date that a text YYYY-MM-DD states.

    Raises:
        InputError: it is none.
    """
    try:
        return datetime.datetime.strptime(text, "%Y-%m-%d")
    except ValueError as error:
        raise InputError(f"date={text!r}", expected="a date YYYY-MM-DD", argument="date") from error


class ChatTemplate:
    """Writes the persona as system message, the question as user message or messages, and the beginning of an answer.

    A question whose last message is the assistant's is continued there. If the question has a system message, the
    persona's prompt is a paragraph in front of it; if the template has no system role, in front of the first message.

    Args:
        tokenizer: a tokenizer of transformers with a chat template.
        arguments: passed to the template.
        date: the date, YYYY-MM-DD, that the template writes instead of today's.
    """

    def __init__(self, tokenizer: Any, arguments: Mapping[str, Any], date: str) -> None:
        self._tokenizer, self._arguments = tokenizer, dict(arguments)
        template = tokenizer.get_chat_template()
        if "strftime_now" in template:
            codes = [[code, check_date(date).strftime(code)] for code in _DATE_CODES]
            self._arguments = {"chat_template": _FIXED_DATE + template, "date_codes": codes, **self._arguments}

    def write_all(self, prompts: Mapping[str, str], questions: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
        """For every persona one text per question; and notes of what the template does that nobody asked for.

        Raises:
            InputError: the template rejects or drops a persona's prompt.
        """
        asked = [as_messages(text) or [{"role": "user", "content": text}] for text in questions]
        folded = not self._has_system_role(next(filter(None, prompts.values()), ""), asked[0])
        texts = {
            persona: [self._write(persona, prompt, messages, folded=folded) for messages in asked]
            for persona, prompt in prompts.items()
        }
        _warn_of_thinking(texts)
        notes = []
        if folded:
            notes.append("the chat template has no system role: personas are put in front of the first user message")
        if count := sum(as_messages(text) is not None for text in questions):
            notes.append(f"{grouped(count)} question(s) read as lists of messages")
        silent = [persona for persona, prompt in prompts.items() if not prompt]
        return texts, notes + [self._describe_default(persona, asked[0]) for persona in silent]

    def _has_system_role(self, prompt: str, messages: Messages) -> bool:
        """Whether a system prompt is accepted and written."""
        try:
            return not prompt or prompt.strip() in self._render(_with_persona(prompt, messages, folded=False))
        except Exception:  # jinja2's own, and whatever a template raises
            return False

    def _write(self, persona: str, prompt: str, messages: Messages, *, folded: bool) -> str:
        remedy = "pass template=, text with {persona} and {question}"
        try:
            text = self._render(_with_persona(prompt, messages, folded=folded))
        except Exception as error:
            raise InputError(
                f"persona {persona!r}: the chat template rejects its prompt ({error})",
                remedy=remedy,
                argument="template",
            ) from error
        if prompt.strip() not in text:
            raise InputError(
                f"persona {persona!r}: the chat template drops its prompt", remedy=remedy, argument="template"
            )
        return text

    def _render(self, messages: Messages) -> str:
        open_ended = messages[-1]["role"] == "assistant"
        return str(
            self._tokenizer.apply_chat_template(
                messages,
                tokenize=False,
                add_generation_prompt=not open_ended,
                continue_final_message=open_ended,
                **self._arguments,
            )
        )

    def _describe_default(self, persona: str, messages: Messages) -> str:
        """What the template says by itself where a persona has no prompt."""
        text, default = self._render(messages), ""
        try:
            before, _, after = self._render(_with_persona(_MARK, messages, folded=False)).partition(_MARK)
        except Exception:  # no system role
            before = after = ""
        if after and text.startswith(before) and text.endswith(after):
            default = text[len(before) : len(text) - len(after)].strip()
        said = f"its own system message {default!r}" if default else "no system message"
        return f"persona {persona!r} has no prompt; the chat template writes {said}"


def _with_persona(prompt: str, messages: Messages, *, folded: bool) -> Messages:
    if not prompt:
        return messages
    first, *others = messages
    if folded or first["role"] == "system":
        return [{**first, "content": f"{prompt}\n\n{first['content']}"}, *others]
    return [{"role": "system", "content": prompt}, *messages]


def _warn_of_thinking(texts: Mapping[str, Sequence[str]]) -> None:
    """Warn if the prompts end within a block of thoughts, where an answer without thoughts is out of place."""
    some = next(iter(texts.values()))[0]
    for opening, closing in _THINK:
        if some.rfind(opening) > some.rfind(closing):
            warnings.warn(
                f"The chat template ends prompts in an open {opening} block, so completions are scored as thoughts. If "
                "they are answers, pass what closes it, such as template_kwargs={'enable_thinking': False} "
                "(--template-kwargs enable_thinking=false).",
                UserWarning,
                stacklevel=2,
            )
