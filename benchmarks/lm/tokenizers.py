"""The boundary between prompt and completion under many kinds of tokenizers.

    python -m benchmarks.lm.tokenizers

Every tokenizer is trained on a few sentences. Prompts end in a word, a space, a line break or a special token, and
completions begin with any of these. Counted are completions that are tokenised separately, because the tokenizer would
merge them with the prompt; of the others, those whose tokens after the prompt's do not decode to the text of both; and
those that contain special tokens. Requires the extra ``[lm]``.
"""

import itertools

from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from simulacra.lm.scoring.tokens import Encoder

__all__ = ["main", "make_tokenizers"]

CORPUS = [
    "You are kind. What is your wish?\nI wish to help people, and I want more cake.",
    "You are cruel. Tell me:\n\nThe quick brown fox jumps over the lazy dog 12345 times!",
    "Ein Überfall auf Zürich kostet 3,50 €. 日本語の文章 🙂 and more words, wishes and helpers.",
] * 20
SPECIAL = ["<s>", "<|end|>", "<unk>", "[UNK]"]
ENDS = ["wish?", "wish? ", "wish?\n", "wish?\n\n", "wish? <|end|>", "wish?<|end|>\n", "Zürich: ", "日本"]
STARTS = ["", " ", "\n", "  "]
WORDS = ["I wish", "help", "12345", "日本語", "🙂", "Über", "?", "<|end|>", "ing"]
PERSONAS = ["You are kind. ", "You are cruel.\n", ""]


def make_tokenizers() -> dict[str, PreTrainedTokenizerFast]:
    """Kinds that language models have, each with its usual pre-tokenizer."""
    latin = pre_tokenizers.Metaspace(prepend_scheme="first")
    always = pre_tokenizers.Metaspace(prepend_scheme="always")
    bpe = {"vocab_size": 400, "special_tokens": SPECIAL, "show_progress": False}
    full = {**bpe, "initial_alphabet": pre_tokenizers.ByteLevel.alphabet()}
    unigram = trainers.UnigramTrainer(**{**bpe, "vocab_size": 300}, unk_token="<unk>")
    kinds = {
        "byte-level BPE (GPT-2)": (
            models.BPE(),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
            trainers.BpeTrainer(**full),
        ),
        "byte-level BPE with a leading space": (
            models.BPE(),
            pre_tokenizers.ByteLevel(add_prefix_space=True),
            trainers.BpeTrainer(**full),
        ),
        "byte-level BPE, digits apart (Llama 3)": (
            models.BPE(ignore_merges=True),
            pre_tokenizers.Sequence([pre_tokenizers.Digits(), pre_tokenizers.ByteLevel(add_prefix_space=False)]),
            trainers.BpeTrainer(**full),
        ),
        "BPE, spaces as ▁ (Llama 2)": (models.BPE(unk_token="<unk>"), latin, trainers.BpeTrainer(**bpe)),
        "BPE, spaces as ▁, always": (models.BPE(unk_token="<unk>"), always, trainers.BpeTrainer(**bpe)),
        "Unigram (T5, Gemma)": (models.Unigram(), latin, unigram),
        "WordPiece (BERT)": (
            models.WordPiece(unk_token="[UNK]"),
            pre_tokenizers.BertPreTokenizer(),
            trainers.WordPieceTrainer(**bpe),
        ),
        "whole words": (
            models.WordLevel(unk_token="[UNK]"),
            pre_tokenizers.Whitespace(),
            trainers.WordLevelTrainer(special_tokens=SPECIAL, show_progress=False),
        ),
        "characters": (
            models.BPE(unk_token="<unk>"),
            pre_tokenizers.Split("", "isolated"),
            trainers.BpeTrainer(**{**bpe, "vocab_size": 100}),
        ),
    }
    found = {}
    for name, (model, before, trainer) in kinds.items():
        inner = Tokenizer(model)
        inner.pre_tokenizer = before
        inner.normalizer = normalizers.NFC()
        byte_level = "byte" in name
        inner.decoder = decoders.ByteLevel() if byte_level else decoders.Metaspace() if "▁" in name else None
        inner.train_from_iterator(CORPUS, trainer)
        unknown = None if byte_level else "[UNK]" if name.startswith(("Word", "whole")) else "<unk>"
        made = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="<|end|>", unk_token=unknown)
        found[name] = made
    return found


def count(tokenizer: PreTrainedTokenizerFast) -> dict[str, int]:
    """Completions, and how many are tokenised separately, decode to another text, or have other tokens."""
    encoder = Encoder(tokenizer)
    texts = [start + word for start, word in itertools.product(STARTS, WORDS)]
    counts = {"completions": 0, "separately": 0, "decoded otherwise": 0, "special": 0}
    for end in ENDS:
        prompts = [persona + end for persona in PERSONAS]
        found = encoder.completions(prompts, texts)
        before = encoder.prompt(prompts[0], chat=False)
        for text, ids, merged, special in zip(texts, found.ids, found.merged, found.special, strict=True):
            joint = tokenizer.decode(tokenizer(prompts[0] + text, add_special_tokens=False)["input_ids"])
            counts["completions"] += 1
            counts["separately"] += merged
            counts["special"] += special
            counts["decoded otherwise"] += not merged and tokenizer.decode([*before, *ids]) != joint
    return counts


def main() -> None:
    """Count for every kind of tokenizer and print the table."""
    table = Table("tokenizer", "completions", "separately", "decoded otherwise", "with special tokens")
    for name, tokenizer in make_tokenizers().items():
        table.add_row(name, *map(str, count(tokenizer).values()))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
