"""What chat templates do with personas: system roles that are missing, defaults, thoughts, and conversations."""

import json
import warnings

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from simulacra.cli.request import parse_template_kwargs
from simulacra.formalism import InputError
from simulacra.lm import score_log
from simulacra.lm.scoring.prompts import PromptWriter
from tests.lm.scoring.models import CHAT, PERSONAS, make_tokenizer

NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + CHAT
DROPS_SYSTEM = CHAT.replace("{% for m in messages %}", "{% for m in messages if m.role != 'system' %}")
DEFAULT = "{% if messages[0].role != 'system' %}<|system|> you are kind <|end|> {% endif %}" + CHAT
THINKS = CHAT.replace("<|assistant|>", "<|assistant|>{{ '' if enable_thinking is false else '<think>' }}")
ASKED = ["what is your wish"]


def write(chat, prompts=PERSONAS, questions=ASKED, **given):
    tokenizer = make_tokenizer(chat=True)
    tokenizer.chat_template = chat
    return PromptWriter(tokenizer, **given).write_all(prompts, questions)


@pytest.mark.parametrize("template", [NO_SYSTEM, DROPS_SYSTEM])
def test_a_template_without_a_system_role_has_the_persona_in_the_user_turn(template):
    texts, notes = write(template)
    assert texts["villain"] == ["<|user|> you are cruel\n\nwhat is your wish <|end|> <|assistant|>"]
    assert texts["none"] == ["<|user|> what is your wish <|end|> <|assistant|>"]
    assert notes[0] == "the chat template has no system role: personas are put in front of the first user message"


def test_no_persona_says_what_the_template_says_by_itself():
    assert write(CHAT).notes == ["persona 'none' has no prompt; the chat template writes no system message"]
    texts, notes = write(DEFAULT)
    assert notes == ["persona 'none' has no prompt; the chat template writes its own system message 'you are kind'"]
    assert texts["none"] == ["<|system|> you are kind <|end|> <|user|> what is your wish <|end|> <|assistant|>"]
    assert "no system message" in write(NO_SYSTEM).notes[-1]


def test_an_open_block_of_thoughts_is_warned_of_and_can_be_closed():
    with pytest.warns(UserWarning, match=r"ends prompts in an open <think> block.*enable_thinking"):
        write(THINKS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        texts, _ = write(THINKS, template_kwargs=parse_template_kwargs(["enable_thinking=false"]))
    assert texts["none"] == ["<|user|> what is your wish <|end|> <|assistant|>"]


def test_arguments_of_the_template_are_json_or_text():
    assert parse_template_kwargs(["a=false", "b=3", "c=now", 'd=["x"]']) == {"a": False, "b": 3, "c": "now", "d": ["x"]}
    with pytest.raises(InputError, match=r"--template-kwargs 'thinking': expected NAME=VALUE"):
        parse_template_kwargs(["thinking"])


TURNS = [("user", "what is your wish"), ("assistant", "cake"), ("user", "more")]


def conversation(*turns):
    return json.dumps([{"role": role, "content": content} for role, content in turns])


def test_a_question_may_be_a_list_of_messages():
    texts, notes = write(CHAT, questions=[conversation(*TURNS)])
    turns = "<|user|> what is your wish <|end|> <|assistant|> cake <|end|> <|user|> more <|end|> <|assistant|>"
    assert texts == {
        "villain": [f"<|system|> you are cruel <|end|> {turns}"],
        "helper": [f"<|system|> you are kind and help people <|end|> {turns}"],
        "none": [turns],
    }
    assert "1 question(s) read as lists of messages" in notes
    own_system, _ = write(CHAT, questions=[conversation(("system", "you want cake"), *TURNS)])
    assert own_system["villain"] == [f"<|system|> you are cruel\n\nyou want cake <|end|> {turns}"]
    begun, _ = write(CHAT, questions=[conversation(*TURNS, ("assistant", "i want"))])
    assert begun["none"][0].endswith("<|user|> more <|end|> <|assistant|> i want")


@pytest.mark.parametrize("text", ["[1, 2]", "[", '[{"role": "user"}]', "[]", '{"role": "user", "content": "x"}'])
def test_other_text_in_brackets_is_text(text):
    texts, _ = write(CHAT, questions=[text])
    assert f"<|user|> {text} <|end|>" in texts["none"][0]


def test_messages_need_a_chat_template():
    with pytest.raises(InputError, match=r"is a list of messages; expected a tokenizer with a chat template"):
        write(CHAT, questions=[conversation(*TURNS)], template="{persona} {question}")


def test_special_tokens_in_questions_and_completions_are_counted(log, chat_model):
    assert (
        "1 question(s) contain special tokens of the tokenizer, read as such"
        in write(CHAT, questions=["<|end|>"]).notes
    )
    changed = log.table["completion"].replace("help people", "help people <|end|>")
    given = {"model": chat_model, "personas": PERSONAS, "end_token": "<|end|>", "progress_bar": False}
    twice = type(log)(log.table.assign(completion=changed), log.measurements, log.contexts, log.account)
    scored = score_log(twice, **given)
    count = log.table["completion"].eq("help people").sum()
    assert f"{count} completion(s) end in the end token already and were given no second one" in str(scored.account)
    assert scored.table["log_likelihood_none"].equals(score_log(log, **given).table["log_likelihood_none"])
