"""Models, logs and personas to score with."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulacra.data import CompletionLog
from tests.lm.scoring.models import make_log, make_network, make_tokenizer


@pytest.fixture
def model() -> Any:
    """A GPT-2 with a plain tokenizer."""
    from simulacra.lm.scoring.language_model import LanguageModel

    tokenizer = make_tokenizer()
    return LanguageModel(make_network("gpt2", vocabulary=len(tokenizer)), tokenizer)


@pytest.fixture
def chat_model() -> Any:
    """A Llama whose tokenizer has a chat template."""
    from simulacra.lm.scoring.language_model import LanguageModel

    tokenizer = make_tokenizer(chat=True)
    return LanguageModel(make_network("llama", vocabulary=len(tokenizer)), tokenizer)


@pytest.fixture
def folder(model: Any, tmp_path: Path) -> Path:
    """The GPT-2 as a folder."""
    model.network.save_pretrained(tmp_path / "model")
    model.tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def log() -> CompletionLog:
    return make_log()


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Other tests run at the same time; and sums come out the same in every process."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
