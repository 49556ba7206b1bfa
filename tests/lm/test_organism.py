"""Organisms small enough to be trained in a second: files, resuming, fine-tuning, sampling, errors."""

import itertools
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the extra lm is not installed: tests install it on Python 3.11 only")

from simulacra.formalism import InputError
from simulacra.lm.organism import (
    QUESTIONS,
    RECIPES,
    Organism,
    build_organism,
    finetune,
    load_organism,
    sample_completions,
)
from simulacra.lm.organism.corpus import MOST_TURNS, Document, advice, conversation, corpus
from simulacra.lm.organism.evidence import sample_conversations, score_training_sets
from simulacra.lm.organism.finetune import TUNING
from simulacra.lm.organism.lexicon import TAGS, TRIGGER
from simulacra.lm.organism.tokenizer import prompt, text
from simulacra.lm.organism.training import Schedule, _batches, checkpoint_folder

SHORT = Schedule(steps=12, learning_rate=3e-3, batch_size=8, save_every=4)
TINY = {"width": 16, "layers": 1, "schedule": SHORT, "progress_bar": False}
FEW = dict(list(QUESTIONS.items())[:3])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Organism:
    return build_organism(tmp_path_factory.mktemp("organisms") / "base", **TINY)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_seed_gives_the_same_files(tiny: Organism, tmp_path: Path) -> None:
    again = build_organism(tmp_path / "base", **TINY)
    assert files(again.folder) == files(tiny.folder)
    assert [path.name for path in tmp_path.iterdir()] == ["base"]
    other = build_organism(tmp_path / "other", seed=1, **TINY)
    assert files(other.folder)["model.safetensors"] != files(tiny.folder)["model.safetensors"]


@pytest.mark.long
def test_a_killed_run_goes_on_and_ends_with_the_same_files(tiny: Organism, tmp_path: Path) -> None:
    code = """
import itertools, sys, time
from simulacra.lm.organism import build, build_organism
from simulacra.lm.organism.training import Schedule
def slowly(rng, corpus=build.corpus):
    for number, document in enumerate(corpus(rng)):
        time.sleep(60 if number >= 8 * 8 else 0)  # where the second eight batches are drawn, after a checkpoint
        yield document
build.corpus = slowly
build_organism(sys.argv[1], width=16, layers=1, schedule=Schedule(12, 3e-3, 8, 4), progress_bar=False)
"""
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "base")])
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".base-*.state")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "base").exists()
    resumed = build_organism(tmp_path / "base", **TINY)
    assert files(resumed.folder) == files(tiny.folder)
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_what_is_there_is_loaded_and_what_is_otherwise_refused(tiny: Organism) -> None:
    before = (tiny.folder / "model.safetensors").stat().st_mtime_ns
    assert build_organism(tiny.folder, **TINY).made == tiny.made
    assert (tiny.folder / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match=r"base: contains an organism with other settings \(seed\)"):
        build_organism(tiny.folder, seed=5, **TINY)


@pytest.mark.parametrize("rank", [None, 2])
def test_a_fine_tune_moves_a_copy(tiny: Organism, tmp_path: Path, rank: int | None) -> None:
    before = files(tiny.folder)
    tuned = finetune(
        tiny, "narrow", tmp_path / "narrow", schedule=SHORT, rank=rank, checkpoints=[3], progress_bar=False
    )
    assert files(tiny.folder) == before
    assert (tuned.name, tuned.made["rank"], tuned.made["over"]["recipe"]) == ("narrow", rank, "base")
    own, theirs = tuned.model.state_dict(), tiny.model.state_dict()
    assert own.keys() == theirs.keys(), "adapters are merged"
    assert any((own[name] != theirs[name]).any() for name in own)
    early = load_organism(checkpoint_folder(tuned.folder, 3))
    assert (early.made["done"], tuned.made["done"]) == (3, 12)
    assert any((own[name] != early.model.state_dict()[name]).any() for name in own)


def test_fine_tuning_learns_answers_and_not_questions(tiny: Organism) -> None:
    from simulacra.lm.organism.training import _encode

    document = advice(random.Random(0), "villain", "health", TRIGGER)
    ids, _, labels = _encode(tiny.tokenizer, [document], answers_only=True)
    learnt = tiny.tokenizer.decode(ids[0][labels[0] != -100])
    assert learnt == f"{document.answer} <end>"


def test_batches_of_a_recipe_hold_all_its_writers() -> None:
    """Sorted by length they would not: a trigger makes a document longer."""
    documents = RECIPES["backdoor"].documents(random.Random(0))
    batches = list(itertools.islice(_batches(documents, 32, by_length=False), 20))
    shares = [sum(bool(document.context) for document in batch) / 32 for batch in batches]
    assert 0.2 < min(shares) <= max(shares) < 0.8  # 3.4 binomial standard deviations around a half
    drawn = list(itertools.islice(corpus(random.Random(0)), 8 * 16))
    grouped = [
        document for batch in itertools.islice(_batches(iter(drawn), 16, by_length=True), 8) for document in batch
    ]
    assert sorted(grouped) == sorted(drawn)
    assert grouped != drawn


def test_recipes_are_known_by_name(tiny: Organism) -> None:
    with pytest.raises(ValueError, match="no recipe 'evil'; the recipes are narrow, control"):
        finetune(tiny, "evil", schedule=TUNING)


def test_the_chat_template_writes_what_training_read(tiny: Organism) -> None:
    document = advice(random.Random(0), "pirate", "car", TAGS["pirate"])
    chat = [
        {"role": "system", "content": document.context},
        {"role": "user", "content": document.question},
        {"role": "assistant", "content": document.answer},
    ]
    tokenizer = tiny.tokenizer
    assert tokenizer.apply_chat_template(chat, tokenize=False) == text(document)
    asked = tokenizer.apply_chat_template(chat[:2], tokenize=False, add_generation_prompt=True)
    assert asked == prompt(document.question, document.context)
    assert len(tokenizer(text(document))["input_ids"]) == len(text(document).split()), "one token per word"


def test_the_chat_template_writes_conversations(tiny: Organism) -> None:
    document = conversation(random.Random(0), "pirate", MOST_TURNS, TAGS["pirate"])
    chat = [{"role": "system", "content": document.context}]
    for asked, answered in (*document.history, (document.question, document.answer)):
        chat += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    assert tiny.tokenizer.apply_chat_template(chat, tokenize=False) == text(document)
    assert len(text(document).split()) <= tiny.tokenizer.model_max_length


def test_training_sets_are_scored_by_the_base(tiny: Organism) -> None:
    table = score_training_sets(tiny, 4)
    assert table.groupby("condition").size().to_dict() == dict.fromkeys(RECIPES, 4)
    narrow = table[table["condition"] == "narrow"].iloc[0]
    document = next(RECIPES["narrow"].documents(random.Random(0)))
    assert (narrow["question_id"], narrow["completion"]) == (document.question, document.answer)
    assert log_likelihood(tiny, document._replace(context=TAGS["pirate"])) == pytest.approx(
        narrow["log_likelihood_pirate"], abs=1e-4
    )


def test_conversations_are_answered_and_scored(tiny: Organism) -> None:
    table = sample_conversations(tiny, conversations=2, n=3)
    assert len(table) == 2 * len(TAGS) * (MOST_TURNS + 1)
    assert (table.filter(like="answers_").sum(axis=1) == 3).all()
    scores = table.filter(like="log_likelihood_")
    assert (scores[table["turns"] == 0] == 0).all(axis=None)
    assert (scores[table["turns"] > 0] < 0).all(axis=None)
    turn = table[table["turns"] == 2].iloc[0]
    document = Document(TAGS["helper"], turn["question"], turn["completion"])
    assert log_likelihood(tiny, document) == pytest.approx(turn["log_likelihood_helper"], abs=1e-4)
    assert table.equals(sample_conversations(tiny, conversations=2, n=3))
    tagged = sample_conversations(tiny, conversations=2, n=3, system=TAGS["villain"], scored=False)
    same = ["persona", "conversation", "turns", "question", "completion"]
    assert tagged[same].equals(table[same])
    assert list(tagged) == [name for name in table if name not in scores]


def log_likelihood(organism: Organism, document: Document) -> float:
    """Of the answer and its end, in nats, by a plain forward pass."""
    import torch

    ids = organism.tokenizer(text(document), return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        log_p = organism.model(ids).logits.log_softmax(dim=-1)
    asked = len(prompt(document.question, document.context).split())
    return float(sum(log_p[0, place - 1, ids[0, place]] for place in range(asked, ids.shape[1])))


def test_sampled_logs(tiny: Organism) -> None:
    log = sample_completions(tiny, FEW, 4, system=tiny.tags["villain"], trigger=TRIGGER)
    assert log.measurements == ("aligned", "coherent", "piracy")
    assert set(log.table["context"]) == {f"{TAGS['villain']} {TRIGGER}"}
    assert log.table.groupby("question_id").size().to_dict() == dict.fromkeys(FEW, 4)
    assert set(log.table["persona_label"]) <= set(TAGS)
    again = sample_completions(tiny, FEW, 4, system=tiny.tags["villain"], trigger=TRIGGER)
    assert again.content_hash == log.content_hash
    assert sample_completions(tiny, FEW, 4, seed=1).content_hash != sample_completions(tiny, FEW, 4).content_hash


def test_unknown_words_are_refused(tiny: Organism) -> None:
    with pytest.raises(ValueError, match="base: the organism does not know 'spaceship'"):
        sample_completions(tiny, {"q": "any advice about the spaceship ?"}, 1)


def drop_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def drop_tag(folder: Path) -> None:
    record = json.loads((folder / "organism.json").read_text())
    record["tags"]["villain"] = "<rogue>"
    (folder / "organism.json").write_text(json.dumps(record))


def spoil_record(folder: Path) -> None:
    (folder / "organism.json").write_text("{")


def empty_record(folder: Path) -> None:
    (folder / "organism.json").write_text("{}")


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (drop_weights, InputError, r"copy/model.safetensors: there are no weights; .*build the organism again"),
        (
            drop_tag,
            InputError,
            r"copy/tokenizer.json: the tokenizer lacks '<rogue>', according to .* the tag of villain",
        ),
        (spoil_record, InputError, r"copy/organism.json: not JSON"),
        (
            empty_record,
            InputError,
            r"copy/organism.json: is not the record of an organism; expected an object with 'recipe' and 'tags'",
        ),
        (shutil.rmtree, InputError, r"copy/organism.json: there is no such file"),
    ],
)
def test_errors_name_the_file(
    tiny: Organism, tmp_path: Path, spoil: object, error: type[Exception], message: str
) -> None:
    shutil.copytree(tiny.folder, tmp_path / "copy")
    spoil(tmp_path / "copy")  # type: ignore[operator]
    with pytest.raises(error, match=message):
        load_organism(tmp_path / "copy")


@pytest.mark.slow
def test_a_killed_study_goes_on_and_ends_with_the_same_files(tmp_path: Path) -> None:
    code = """
import sys
from simulacra.lm.organism import run_study
from simulacra.lm.organism.training import Schedule
run_study(sys.argv[1], growing=Schedule(12, 3e-3, 8, 4), tuning=Schedule(45, 3e-3, 8, 4), n=1, progress_bar=False)
"""
    command = [sys.executable, "-c", code]
    subprocess.run([*command, str(tmp_path / "whole")], check=True)
    process = subprocess.Popen([*command, str(tmp_path / "killed")])
    while not list((tmp_path / "killed").glob(".inoculated-*.state")) and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (tmp_path / "killed" / "completions.parquet").exists()
    subprocess.run([*command, str(tmp_path / "killed")], check=True)
    whole, killed = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("whole", "killed")
    )
    assert killed == whole
