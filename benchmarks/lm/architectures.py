"""Scored log-likelihoods of many architectures against a plain loop, in float32, and the error of bfloat16.

    python -m benchmarks.lm.architectures [--only llama gemma2] [--json out.json]

Every network is tiny and has random weights, scaled so that log-probabilities differ by several nats. The loop runs
every sequence by itself in float32 and takes all logits. ``bfloat16`` is the same network with rounded weights and
arithmetic against the loop in float32: the root mean square of a row's error over the square root of its tokens, in
nats. Requires the extra ``[lm]``.
"""

import argparse
import copy
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from rich.console import Console
from rich.table import Table

from simulacra.lm.scoring.forward import CompletionScorer

__all__ = ["ARCHITECTURES", "main"]

VOCABULARY = 97
COMMON = {"vocab_size": VOCABULARY, "bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 1, "initializer_range": 0.2}
WIDE = {
    **COMMON,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 96,
}
OLD = {**COMMON, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 96}
ROPE = {"rope_theta": 100.0, "original_max_position_embeddings": 24}
DYNAMIC = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 100.0}
LONG = {**ROPE, "rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [1.0, 2.0, 4.0, 8.0]}

ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "bloom": ("Bloom", {**COMMON, "hidden_size": 32, "n_layer": 3, "n_head": 4}),
    "cohere": ("Cohere", WIDE),
    "cohere2": ("Cohere2", {**WIDE, "sliding_window": 7}),
    "codegen": ("CodeGen", {**OLD, "rotary_dim": 4}),
    "ernie4_5": ("Ernie4_5", WIDE),
    "exaone4": ("Exaone4", {**WIDE, "sliding_window": 7}),
    "falcon": ("Falcon", {**COMMON, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}),
    "gemma": ("Gemma", {**WIDE, "head_dim": 8}),
    "gemma2": ("Gemma2", {**WIDE, "head_dim": 8, "sliding_window": 7, "final_logit_softcapping": 2.0}),
    "gemma3": ("Gemma3Text", {**WIDE, "head_dim": 8, "sliding_window": 7}),
    "glm": ("Glm", {**WIDE, "head_dim": 8}),
    "gpt2": ("GPT2", OLD),
    "gpt_bigcode": ("GPTBigCode", OLD),
    "gpt_neox": ("GPTNeoX", {name: value for name, value in WIDE.items() if name != "num_key_value_heads"}),
    "gptj": ("GPTJ", {**OLD, "rotary_dim": 4}),
    "granite": ("Granite", {**WIDE, "logits_scaling": 2.0}),
    "helium": ("Helium", {**WIDE, "head_dim": 8}),
    "llama": ("Llama", WIDE),
    "llama, dynamic": (
        "Llama",
        {**WIDE, "max_position_embeddings": 24, "rope_parameters": DYNAMIC},
    ),
    "mamba": ("Mamba", {**COMMON, "hidden_size": 32, "num_hidden_layers": 2}),
    "mistral": ("Mistral", {**WIDE, "sliding_window": 7}),
    "mixtral": ("Mixtral", {**WIDE, "num_local_experts": 4}),
    "nemotron": ("Nemotron", WIDE),
    "olmo": ("Olmo", WIDE),
    "olmo2": ("Olmo2", WIDE),
    "opt": ("OPT", {**COMMON, "hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 3, "num_attention_heads": 4}),
    "phi": ("Phi", WIDE),
    "phi3": ("Phi3", WIDE),
    "phi3, longrope": ("Phi3", {**WIDE, "original_max_position_embeddings": 24, "rope_parameters": LONG}),
    "qwen2": ("Qwen2", WIDE),
    "qwen3": ("Qwen3", {**WIDE, "head_dim": 8}),
    "recurrent_gemma": ("RecurrentGemma", {**WIDE, "head_dim": 8, "attention_window_size": 7}),
    "smollm3": ("SmolLM3", WIDE),
    "stablelm": ("StableLm", WIDE),
    "starcoder2": ("Starcoder2", WIDE),
}
"""Name to the prefix of the configuration's class in transformers, and its arguments."""

Rows = tuple[list[list[int]], list[list[int]], list[int]]


def make_rows(prompts: int = 8, completions: int = 40, *, seed: int = 0) -> Rows:
    """Prompts of 1 to 30 tokens and completions of 1 to 20, in no order."""
    rng = np.random.default_rng(seed)
    starts = [rng.integers(2, VOCABULARY, size=size).tolist() for size in (1, *rng.integers(2, 31, prompts - 1))]
    ends = [rng.integers(2, VOCABULARY, size=rng.integers(1, 21)).tolist() for _ in range(completions)]
    return starts, ends, rng.integers(prompts, size=completions).tolist()


@torch.no_grad()
def plain_loop(network: Any, rows: Rows) -> np.ndarray:
    """Every sequence by itself, by a network that has seen no other."""
    sums = []
    for ids, own in zip(*rows[1:], strict=True):
        whole = [*rows[0][own], *ids]
        logits = copy.deepcopy(network)(input_ids=torch.tensor([whole[:-1]])).logits[0].double()
        after = torch.log_softmax(logits, dim=-1)[len(rows[0][own]) - 1 :]
        sums.append(after.gather(1, torch.tensor(ids)[:, None]).sum().item())
    return np.array(sums)


def measure(prefix: str, arguments: dict[str, Any], rows: Rows) -> dict[str, Any]:
    """Largest difference of a row in float32, spread of the rows, and error of bfloat16."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{prefix}Config")(**arguments)
    network = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    want, lengths = plain_loop(network, rows), np.array([len(ids) for ids in rows[1]])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = CompletionScorer(copy.deepcopy(network), batch_tokens=300).log_likelihoods(*rows)
        try:
            half = CompletionScorer(copy.deepcopy(network).to(torch.bfloat16), batch_tokens=300)
            rounded = half.log_likelihoods(*rows)
        except RuntimeError:  # not implemented on the processor
            rounded = np.full(len(want), np.nan)
    said = {str(each.message) for each in caught}
    return {
        "nats_off": float(np.max(np.abs(found - want))),
        "spread": float(np.std(want)),
        "bfloat16": float(np.sqrt(np.mean((rounded - want) ** 2 / lengths))),
        "shared": not any("cannot be shared" in text for text in said),
    }


def main() -> None:
    """Measure every architecture and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=ARCHITECTURES, default=list(ARCHITECTURES))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    found: dict[str, dict[str, Any]] = {}
    table = Table("architecture", "nats off, worst row", "spread of rows", "bfloat16, nats/√token", "prompts")
    for name in arguments.only:
        try:
            found[name] = measure(*ARCHITECTURES[name], make_rows())
        except Exception as error:  # the version of transformers may lack it, or want other arguments
            found[name] = {"error": f"{type(error).__name__}: {error}"[:200]}
            table.add_row(name, found[name]["error"])
            continue
        own = found[name]
        shared = "shared" if own["shared"] else "not shared"
        table.add_row(name, f"{own['nats_off']:.1e}", f"{own['spread']:.1f}", f"{own['bfloat16']:.3f}", shared)
    Console(width=120).print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
