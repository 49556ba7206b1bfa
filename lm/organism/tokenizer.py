"""The organism's tokenizer: one token per word, in the Hugging Face format, with a chat template.

With the template, the organism is used like larger models: a system message is a persona's tag (or any other context),
a user message the question, an assistant message the answer. Code that scores or samples chat models can be applied to
the organism.
"""

from collections.abc import Sequence
from typing import Any

from simulacra.data.extras import needs_extra
from simulacra.lm.organism.corpus import Document
from simulacra.lm.organism.lexicon import TAGS, TRIGGER, vocabulary

__all__ = ["END", "build_tokenizer", "prompt", "text"]

_PAD, _UNKNOWN, _BEGIN, END, _ANSWER = "<pad>", "<unknown>", "<begin>", "<end>", "<answer>"
_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['content'] %} "
    "{% if message['role'] == 'assistant' %}<answer> {{ message['content'] }} {{ eos_token }}"
    "{% else %}{{ message['content'] }}{% endif %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %} <answer>{% endif %}"
)


def prompt(question: str, context: str = "", history: Sequence[tuple[str, str]] = ()) -> str:
    """The text before the answer, as written by the chat template.

    Args:
        question: the last user message.
        context: the system message.
        history: earlier questions and answers.
    """
    before = [f"{asked} {_ANSWER} {answered} {END}" for asked, answered in history]
    return " ".join([_BEGIN, *([context] if context else []), *before, question, _ANSWER])


def text(document: Document) -> str:
    """A whole document as text, including its begin and end tokens."""
    return f"{prompt(document.question, document.context, document.history)} {document.answer} {END}"


def build_tokenizer() -> Any:
    """A word-level tokenizer of the organism's vocabulary."""
    with needs_extra("lm"):
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel
        from tokenizers.pre_tokenizers import WhitespaceSplit
        from transformers import PreTrainedTokenizerFast

    special = [_PAD, _UNKNOWN, _BEGIN, END, _ANSWER, TRIGGER, *TAGS.values()]
    words = {word: index for index, word in enumerate([*special, *vocabulary()])}
    tokenizer = Tokenizer(WordLevel(words, unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=_PAD,
        unk_token=_UNKNOWN,
        bos_token=_BEGIN,
        eos_token=END,
        additional_special_tokens=[_ANSWER, TRIGGER, *TAGS.values()],
        chat_template=_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=80,
    )
