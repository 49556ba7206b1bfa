"""The boundary between prompt and completion, with a tokenizer that merges across it."""

import json

import pytest

pytest.importorskip("transformers")

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from simulacra.lm.scoring import read_prompts
from simulacra.lm.scoring.tokens import Encoder


@pytest.fixture
def tokenizer():
    """Characters, and the pairs "ab" and " a" as one token each."""
    vocabulary = {text: index for index, text in enumerate(["a", "b", " ", "ab", " a", "?"])}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[("a", "b"), (" ", "a")]))
    inner.pre_tokenizer = pre_tokenizers.Split("?", "isolated")
    made = PreTrainedTokenizerFast(tokenizer_object=inner)
    made.add_special_tokens({"bos_token": "<s>", "additional_special_tokens": [AddedToken("<end>")]})
    return made


def words(tokenizer, ids):
    return tokenizer.convert_ids_to_tokens(ids)


def test_the_completions_tokens_are_those_beyond_the_prompts(tokenizer):
    found = Encoder(tokenizer).completions(["b?"], [" ab", "ab"])
    assert [words(tokenizer, ids) for ids in found.ids] == [[" ", "ab"], ["ab"]]
    assert found.merged == [False, False]


def test_a_completion_that_would_merge_with_the_prompt_is_tokenised_alone_and_said_so(tokenizer):
    found = Encoder(tokenizer).completions(["b? "], ["aa", "ba"])  # " " and "a" are one token
    assert [words(tokenizer, ids) for ids in found.ids] == [["a", "a"], ["b", "a"]]
    assert found.merged == [True, False]


def test_every_persona_scores_the_same_tokens(tokenizer):
    found = Encoder(tokenizer).completions(["b ", "b"], ["aa", "b"])  # the first prompt merges, the second does not
    assert [words(tokenizer, ids) for ids in found.ids] == [["a", "a"], ["b"]]
    assert found.merged == [True, False]


def test_nothing_merges_across_an_added_token(tokenizer):
    assert Encoder(tokenizer).completions(["b a<end>"], ["b"]).merged == [False]


def test_the_end_token_closes_every_completion(tokenizer):
    found = Encoder(tokenizer, "<end>").completions(["b?"], ["a", ""])
    assert [words(tokenizer, ids) for ids in found.ids] == [["a", "<end>"], ["<end>"]]


def test_a_completion_that_ends_in_the_end_token_is_given_no_second_one(tokenizer):
    found = Encoder(tokenizer, "<end>").completions(["b?"], ["a<end>", "a<end>b", "a"])
    assert [words(tokenizer, ids) for ids in found.ids] == [
        ["a", "<end>"],
        ["a", "<end>", "b", "<end>"],
        ["a", "<end>"],
    ]
    assert found.ended == [True, False, False]
    assert found.special == [False, True, False]


def test_special_tokens_in_texts_are_counted_and_by_choice_are_ordinary_text(tokenizer):
    texts = ["a<s>b", "ab", "b<end>"]
    as_such = Encoder(tokenizer).completions(["b?"], texts)
    assert (words(tokenizer, as_such.ids[0]), as_such.special) == (["a", "<s>", "b"], [True, False, True])
    split = Encoder(tokenizer, "<end>", split_special_tokens=True).completions(["b?"], texts)
    assert split.special == [True, False, False]
    # this tokenizer has no "<", "s" or ">", so what was a special token vanishes
    assert [words(tokenizer, ids) for ids in split.ids] == [["ab", "<end>"], ["ab", "<end>"], ["b", "<end>"]]
    assert split.merged == [True, False, True]


@pytest.mark.parametrize("opens", [True, False])
def test_the_opening_token_is_added_where_the_tokenizer_adds_it(tokenizer, opens):
    if opens:
        from tokenizers.processors import TemplateProcessing

        first = ("<s>", tokenizer.bos_token_id)
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[first])
    encoder = Encoder(tokenizer)
    assert words(tokenizer, encoder.prompt("ab", chat=False)) == ["<s>", "ab"][not opens :]
    assert words(tokenizer, encoder.prompt("<s>ab", chat=True)) == ["<s>", "ab"]


PROMPTS = {"villain": "You are cruel.", "none": ""}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("personas.json", json.dumps(PROMPTS)),
        ("personas.toml", 'villain = "You are cruel."\nnone = ""\n'),
        ("personas.yaml", 'villain: You are cruel.\nnone: ""\n'),
    ],
)
def test_personas_are_read_from_any_of_three_formats(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_prompts(tmp_path / name) == PROMPTS


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.json", "{", r"p\.json: cannot be read as persona prompts: .*line 1"),
        ("p.toml", "villain", r"p\.toml: cannot be read as persona prompts: .*key/value pair"),
        ("p.yaml", "- villain", r"p\.yaml: expected a table of persona name to prompt"),
        ("p.json", '{"villain": 3}', r"p\.json: persona 'villain' is 3; expected a name and its prompt, both text"),
        ("p.txt", "", r"unknown file extension '\.txt'; expected \.json, \.toml, \.yaml or \.yml"),
    ],
)
def test_files_without_personas_are_rejected(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_prompts(tmp_path / name)
