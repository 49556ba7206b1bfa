"""Checkpoints that bring code never run it without the flag; those that cannot be used are errors within seconds."""

import contextlib
import json
import os
import pickle
import shutil
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import huggingface_hub  # noqa: E402
import transformers  # noqa: E402

from simulacra.formalism import InputError  # noqa: E402
from simulacra.lm.scoring.identity import hash_tokenizer  # noqa: E402
from simulacra.lm.scoring.loading import load_language_model, load_tokenizer  # noqa: E402
from tests.lm.scoring.models import make_tokenizer  # noqa: E402

EVIL = """
import pathlib
pathlib.Path({marker!r}).touch()
import transformers
class EvilConfig(transformers.GPT2Config): model_type = {kind!r}
class Evil(transformers.GPT2LMHeadModel): config_class = EvilConfig
class EvilTokenizer(transformers.PreTrainedTokenizerFast): pass
def generate(model, *args, **kwargs): return None
"""


class Bomb:
    """A pickled object that touches a file when it is loaded."""

    def __init__(self, marker):
        self._marker = str(marker)

    def __reduce__(self):
        return (os.mkdir, (self._marker,))


@pytest.fixture
def marker(tmp_path, monkeypatch):
    """What a hostile checkpoint leaves behind if its code has run."""
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("builtins.input", lambda _="": pytest.fail("a question was asked, which somebody may answer"))
    return tmp_path / "ran"


def change(file: Path, **entries):
    file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))


def own_architecture(folder, marker):
    (folder / "evil.py").write_text(EVIL.format(marker=str(marker), kind="evil"))
    models = {"AutoConfig": "evil.EvilConfig", "AutoModelForCausalLM": "evil.Evil"}
    change(folder / "config.json", model_type="evil", architectures=["Evil"], auto_map=models)


def known_architecture(folder, marker):
    (folder / "evil.py").write_text(EVIL.format(marker=str(marker), kind="gpt2"))
    change(folder / "config.json", auto_map={"AutoConfig": "evil.EvilConfig", "AutoModelForCausalLM": "evil.Evil"})


def own_tokenizer(folder, marker):
    (folder / "evil.py").write_text(EVIL.format(marker=str(marker), kind="gpt2"))
    tokenizer = {"AutoTokenizer": [None, "evil.EvilTokenizer"]}
    change(folder / "tokenizer_config.json", tokenizer_class="EvilTokenizer", auto_map=tokenizer)


def own_generation(folder, marker):
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(EVIL.format(marker=str(marker), kind="gpt2"))


def pickled_weights(folder, marker):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"transformer.wte.weight": Bomb(marker)}))


def pickled_zip(folder, marker):
    (folder / "model.safetensors").unlink()
    torch.save({"transformer.wte.weight": Bomb(marker)}, folder / "pytorch_model.bin")


def pickled_adapter(folder, marker):
    base = shutil.copytree(folder, folder.parent / "base")
    (folder / "model.safetensors").unlink()
    (folder / "config.json").unlink()
    adapter = {"peft_type": "LORA", "base_model_name_or_path": str(base), "target_modules": ["c_attn"], "r": 2}
    (folder / "adapter_config.json").write_text(json.dumps(adapter))
    torch.save({"base_model.model.x.lora_A.weight": Bomb(marker)}, folder / "adapter_model.bin")


@pytest.mark.parametrize("spoil", [own_architecture, known_architecture, own_tokenizer, own_generation])
def test_code_of_a_checkpoint_runs_only_where_it_was_allowed(spoil, folder, marker):
    spoil(folder, marker)
    needed = "needs Python code that comes with the checkpoint, which was not run.*trust_remote_code=True"
    with pytest.raises(InputError, match=needed) if spoil in (own_architecture,) else contextlib.nullcontext():
        load_language_model(folder, device="cpu")
    assert not marker.exists()
    load_language_model(folder, device="cpu", trust_remote_code=True)
    assert marker.exists()  # the trap is one


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("spoil", [pickled_weights, pickled_zip, pickled_adapter])
def test_code_in_pickled_weights_never_runs(spoil, trust, folder, marker):
    spoil(folder, marker)
    with pytest.raises(InputError, match="cannot be loaded as a causal language model"):
        load_language_model(folder, device="cpu", trust_remote_code=trust)
    assert not marker.exists()


def test_the_bomb_is_one(marker):
    pickle.loads(pickle.dumps(Bomb(marker)))
    assert marker.exists()


@pytest.mark.parametrize("name", ["nobody/nothing", "nothing"])
def test_without_a_network_a_name_on_the_hub_fails_in_seconds(name, monkeypatch):
    def unreachable(*_, **__):
        raise OSError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    began = time.monotonic()
    with pytest.raises(InputError, match=rf"^{name}: cannot be loaded from the hub, and was not downloaded before"):
        load_language_model(name, device="cpu")
    with pytest.raises(InputError, match="check the name and the network, or pass a folder"):
        load_tokenizer(name)
    assert time.monotonic() - began < 10


def test_a_revision_belongs_to_a_name_on_the_hub(folder):
    with pytest.raises(InputError, match=r"revision='v2': .*model is a folder"):
        load_language_model(folder, revision="v2")


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: truncate(folder / "model.safetensors"), "cannot be loaded as a causal language model"),
        (lambda folder: truncate(folder / "config.json"), "cannot be loaded as a causal language model"),
        (lambda folder: truncate(folder / "tokenizer.json"), "cannot be loaded as a causal language model"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b""), "cannot be loaded as a causal language model"),
    ],
    ids=["weights", "configuration", "tokenizer", "empty weights"],
)
def test_checkpoints_that_cannot_be_read_are_input_errors(spoil, message, folder):
    spoil(folder)
    with pytest.raises(InputError, match=message):
        load_language_model(folder, device="cpu")


@pytest.mark.parametrize("device", ["cuda:97", "abacus", "meta"])
def test_absent_devices_are_input_errors(device, folder):
    with pytest.raises(InputError, match=rf"device='{device}' cannot be used .*such as 'cpu'"):
        load_language_model(folder, device=device)


def test_the_hash_of_a_tokenizer_is_of_what_it_does(tmp_path):
    tokenizer = make_tokenizer()
    before = hash_tokenizer(tokenizer)
    tokenizer(["a text", "another longer one"], padding=True, truncation=True, max_length=3)
    tokenizer.save_pretrained(tmp_path / "elsewhere")
    assert hash_tokenizer(load_tokenizer(tmp_path / "elsewhere")) == hash_tokenizer(tokenizer) == before
    tokenizer.add_tokens(["<more>"])
    assert hash_tokenizer(tokenizer) != before
