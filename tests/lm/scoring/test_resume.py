"""What is the same run: weights and tokenizer, whatever their path; parts that are damaged; two processes at a time."""

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import filelock  # noqa: E402

from simulacra.data import LogError, read_completions  # noqa: E402
from simulacra.formalism import InputError  # noqa: E402
from simulacra.lm import score_log  # noqa: E402
from simulacra.lm.scoring import parts, score  # noqa: E402
from simulacra.lm.scoring.backends import LocalBackend  # noqa: E402
from tests.lm.scoring.models import CHAT, PERSONAS, make_log  # noqa: E402


def run(log, model, out, **given):
    return score_log(
        log, **{"model": model, "personas": PERSONAS, "out": out, "block_rows": 2, "progress_bar": False, **given}
    )


@pytest.fixture
def cut_short(log, folder, tmp_path, monkeypatch):
    """A run that stopped after three of its four parts, and the bytes of one that did not."""
    whole, out = tmp_path / "whole.parquet", tmp_path / "scored.parquet"
    run(log, str(folder), whole)
    write = parts.Parts.write

    def stop(self, number, table):
        if number == 3:
            raise KeyboardInterrupt
        write(self, number, table)

    with monkeypatch.context() as patch:
        patch.setattr(parts.Parts, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            run(log, str(folder), out)
    return out, whole.read_bytes()


@pytest.fixture
def passes(monkeypatch):
    """Blocks that were run through a model."""
    found, log_likelihoods = [], LocalBackend.log_likelihoods
    monkeypatch.setattr(LocalBackend, "log_likelihoods", lambda *args: found.append(1) or log_likelihoods(*args))
    return found


def truncate(path):
    path.write_bytes(path.read_bytes()[:-40])


def flip_a_digit(path):
    """Change one byte of the numbers, which leaves a readable file with another number."""
    columns = pq.read_schema(path).names
    chunk = pq.read_metadata(path).row_group(0).column(columns.index("none"))
    start = chunk.dictionary_page_offset
    raw = bytearray(path.read_bytes())
    raw[start + 40] ^= 1
    path.write_bytes(bytes(raw))


def lose_a_row(path):
    pd.read_parquet(path).iloc[:-1].to_parquet(path)


@pytest.mark.parametrize("damage", [truncate, flip_a_digit, lose_a_row, lambda path: path.write_bytes(b"")])
def test_a_damaged_part_is_scored_again(damage, cut_short, log, folder, passes):
    out, whole = cut_short
    damage(out.with_name("scored.parquet.parts") / "part-000001.parquet")
    run(log, str(folder), out)
    assert len(passes) == 2  # the damaged part, and the one that was never made
    assert out.read_bytes() == whole


def test_the_same_weights_and_tokenizer_are_the_same_model_at_another_path(cut_short, log, folder, passes):
    out, _ = cut_short
    run(log, str(folder.rename(folder.with_name("moved"))), out)
    assert len(passes) == 1
    folder.with_name("moved").rename(folder)
    run(log, str(folder), out)  # nothing is left to do
    assert len(passes) == 1


def test_another_tokenizer_is_another_model(log, model, tmp_path):
    run(log, model, tmp_path / "scored.parquet")
    model.tokenizer.add_tokens(["<more>"])
    with pytest.raises(InputError, match=r"scored\.parquet: was made with another tokenizer"):
        run(log, model, tmp_path / "scored.parquet")


def test_parts_of_other_versions_of_libraries_are_warned_of(cut_short, log, folder, monkeypatch):
    monkeypatch.setattr(score, "library_versions", lambda: {"torch": "1.0"})
    with pytest.warns(UserWarning, match=r"begun with other versions of libraries .*\"torch\": \"1\.0\""):
        run(log, str(folder), cut_short[0])


def test_two_processes_do_not_score_into_one_file(log, model, tmp_path):
    folder = tmp_path / "scored.parquet.parts"
    folder.mkdir()
    with (
        filelock.FileLock(folder / "run.lock"),
        pytest.raises(InputError, match=r"scored\.parquet\.parts: another process is scoring into it"),
    ):
        run(log, model, tmp_path / "scored.parquet")
    run(log, model, tmp_path / "scored.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["scored.parquet"]


def test_overwriting_keeps_parts_with_the_same_settings_and_no_others(cut_short, log, folder, passes):
    out, whole = cut_short
    run(log, str(folder), out, overwrite=True)
    assert (len(passes), out.read_bytes() == whole) == (1, True)
    run(log, str(folder), out, overwrite=True)  # nothing is left to do
    assert len(passes) == 1
    run(log, str(folder), out, overwrite=True, end_token="[PAD]")
    assert len(passes) == 1 + 4
    first = run(log, str(folder), out, overwrite=True, shard=(1, 2))  # beside the file of another run
    assert "in a part of another shard" in first.account.unscored
    run(log, str(folder), out, overwrite=True, shard=(2, 2))
    assert out.read_bytes() == whole


DATED = "{{ strftime_now('%d %b %Y') if strftime_now is defined else 'never' }} " + CHAT


def test_dates_in_templates_are_fixed_and_prompts_are_recorded(log, chat_model, tmp_path):
    chat_model.tokenizer.chat_template = DATED
    run(log, chat_model, tmp_path / "scored.parquet")
    said = json.loads(pq.read_schema(tmp_path / "scored.parquet").metadata[parts.METADATA])
    question = log.table["question"][0]
    before = "01 Jan 2025 <|system|> you are cruel <|end|> "
    assert said["record"]["prompts"]["villain"] == f"{before}<|user|> {question} <|end|> <|assistant|>"
    assert {"torch", "transformers"} <= set(said["record"]["versions"])
    with pytest.raises(InputError, match=r"another date \(\"2025-01-01\", now \"2026-02-03\"\)"):
        run(log, chat_model, tmp_path / "scored.parquet", date="2026-02-03")
    with pytest.raises(InputError, match=r"date='1 May'; expected a date YYYY-MM-DD"):
        run(log, chat_model, tmp_path / "scored.parquet", date="1 May")


def test_a_template_cannot_leave_its_sandbox(log, chat_model):
    chat_model.tokenizer.chat_template = "{{ ''.__class__.__base__.__subclasses__() }}"
    with pytest.raises(InputError, match="the chat template rejects its prompt"):
        score_log(log, model=chat_model, personas=PERSONAS, progress_bar=False)


def spoilt(column, row, text):
    """A log with another text, of a type that can hold it."""
    frame = make_log().table.drop(columns=["source", "record", "base_question"]).astype({column: object})
    values = [text if place == row else value for place, value in enumerate(frame[column])]
    frame[column] = pd.Series(values, dtype=object)
    return read_completions(frame)


def test_half_a_surrogate_pair_is_an_error_with_its_place(log, model):
    with pytest.raises(LogError, match=r"record 2.*column 'completion'.*\\udc9d is half of a surrogate pair"):
        run(spoilt("completion", 1, "help \udc9d"), model, None)
    with pytest.raises(LogError, match=r"record 1.*column 'question'.*\\ud83d is half of a surrogate pair"):
        run(spoilt("question", 0, "what \ud83d"), model, None)
    with pytest.raises(InputError, match=r"persona 'v': \\ud83d is half of a surrogate pair"):
        run(log, model, None, personas={"v": "you \ud83d"})


def test_the_output_is_a_parquet_file_by_its_name(log, model, tmp_path):
    with pytest.raises(InputError, match=r"scored\.csv.* is written in the Parquet format; expected a name that ends"):
        run(log, model, tmp_path / "scored.csv")
