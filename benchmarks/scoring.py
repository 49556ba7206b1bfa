"""Scoring of completions with shared prompts compared with plain loops, on the same rows, in one process.

    python -m benchmarks.scoring [--json out.json]                          # a 25M-parameter Llama, float32, processor
    python -m benchmarks.scoring --device cuda [--compile] [--json out.json]    # a 1.2B-parameter Llama, bfloat16

Rows are token ids, 50 completions per question under 4 personas, so tokenisation is excluded. The loops are what one
would write by hand: full prompts with every completion, in padded batches sorted by length, or one by one. All
contestants run on the same rows in turn, several times; medians are shown. Model weights are random, because speed does
not depend on them.

Requires torch and transformers (the extra ``[lm]``). On a GPU, the share of its peak performance is shown as well. It
counts useful operations only: those of completions and of each prompt once, without padding and repeated prompts.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.machine import describe_machine
from simulacra.data.numerals import grouped
from simulacra.lm.scoring.forward import CompletionScorer

__all__ = ["main"]

SMALL = {
    "vocab_size": 16384,
    "hidden_size": 384,
    "intermediate_size": 1024,
    "num_hidden_layers": 8,
    "num_attention_heads": 6,
    "num_key_value_heads": 6,
}
LARGE = {  # the shape of Llama 3.2 1B
    "vocab_size": 128256,
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "tie_word_embeddings": True,
}
PEAK = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "RTX 4090": 165e12}
"""Dense bfloat16 operations per second, from the data sheets of the vendor."""


class Rows(NamedTuple):
    """Prompts and completions as token ids, and the prompt of every completion."""

    prompts: list[list[int]]
    completions: list[list[int]]
    prompt_of: list[int]

    @property
    def tokens(self) -> int:
        """Completion tokens."""
        return sum(map(len, self.completions))


def make_rows(questions: int, completions: int, personas: int, vocabulary: int, *, seed: int = 0) -> Rows:
    """Prompts of 100 to 200 tokens, completions of 50 to 100, the same under every persona."""
    rng = np.random.default_rng(seed)
    prompts = [rng.integers(vocabulary, size=rng.integers(100, 201)).tolist() for _ in range(questions * personas)]
    texts = [rng.integers(vocabulary, size=rng.integers(50, 101)).tolist() for _ in range(questions * completions)]
    prompt_of = [question * personas + persona for question in range(questions) for persona in range(personas)]
    rows = [
        (text, prompt)
        for prompt in prompt_of
        for text in texts[prompt // personas * completions : (prompt // personas + 1) * completions]
    ]
    return Rows(prompts, [text for text, _ in rows], [prompt for _, prompt in rows])


@torch.inference_mode()
def plain_loop(network: LlamaForCausalLM, rows: Rows, batch: int) -> np.ndarray:
    """Prompt and completion together, batch by batch, padded on the right, sorted by length."""
    whole = [rows.prompts[own] + ids for own, ids in zip(rows.prompt_of, rows.completions, strict=True)]
    order = sorted(range(len(whole)), key=lambda row: -len(whole[row]))
    sums = np.empty(len(whole))
    for start in range(0, len(order), batch):
        mine = order[start : start + batch]
        longest = len(whole[mine[0]])
        ids = torch.tensor([whole[row] + [0] * (longest - len(whole[row])) for row in mine], device=network.device)
        lengths = torch.tensor([len(whole[row]) for row in mine], device=network.device)
        starts = torch.tensor([len(rows.prompts[rows.prompt_of[row]]) for row in mine], device=network.device)
        at = torch.arange(longest, device=network.device)
        logits = network(input_ids=ids, attention_mask=(at < lengths[:, None]).long(), use_cache=False).logits[:, :-1]
        own = torch.log_softmax(logits.float(), dim=-1).gather(2, ids[:, 1:, None])[..., 0]
        counted = (at[1:] >= starts[:, None]) & (at[1:] < lengths[:, None])
        sums[mine] = (own * counted).sum(dim=1, dtype=torch.float64).cpu().numpy()
    return sums


def useful_operations(network: LlamaForCausalLM, rows: Rows) -> float:
    """Floating-point operations that any exact method requires; a multiplication and an addition count as two."""
    config = network.config
    head = config.vocab_size * config.hidden_size
    layers = sum(values.numel() for name, values in network.named_parameters() if ".layers." in name)
    pairs = sum(len(prompt) ** 2 / 2 for prompt in rows.prompts) + sum(
        len(ids) * (len(rows.prompts[own]) + len(ids) / 2)
        for own, ids in zip(rows.prompt_of, rows.completions, strict=True)
    )
    through_layers = sum(map(len, rows.prompts)) + rows.tokens
    width = config.num_attention_heads * config.head_dim
    return 2.0 * layers * through_layers + 2.0 * head * rows.tokens + 4.0 * config.num_hidden_layers * width * pairs


def main() -> None:
    """Run the contestants, print the table and check that they agree."""
    arguments = _arguments()
    cuda = arguments.device == "cuda"
    torch.manual_seed(0)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    config = LlamaConfig(**(LARGE if cuda else SMALL), max_position_embeddings=2048)
    with torch.device(arguments.device):
        network = LlamaForCausalLM(config).to(torch.bfloat16 if cuda else torch.float32).eval()
    rows = make_rows(arguments.questions or (64 if cuda else 1), 50, 4, config.vocab_size)
    contestants: dict[str, Callable[[], np.ndarray]] = {
        f"shared prompts, {budget} positions": _ours(network, rows, budget) for budget in arguments.batch_tokens
    }
    if not arguments.ours_only:
        contestants |= {
            f"plain loop, batches of {batch}": lambda batch=batch: plain_loop(network, rows, batch)
            for batch in ((32, 128) if cuda else (16,))
        }
        if not cuda:
            contestants["plain loop, one by one"] = lambda: plain_loop(network, rows, 1)
    if arguments.compile:
        for layer in network.model.layers:
            layer.compile(dynamic=True)
    report = _race(contestants, network, rows, arguments)
    report["machine"] = describe_machine()
    if cuda:
        report |= _device_facts(network, rows, report["runs"], contestants)
    _show(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))


def _ours(network: LlamaForCausalLM, rows: Rows, budget: int) -> Callable[[], np.ndarray]:
    scorer = CompletionScorer(network, batch_tokens=budget)
    return lambda: scorer.log_likelihoods(*rows)


def _race(
    contestants: dict[str, Callable[[], np.ndarray]],
    network: LlamaForCausalLM,
    rows: Rows,
    arguments: argparse.Namespace,
) -> dict:
    """All contestants in turn, several times; the first round on a GPU is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    processor: dict[str, list[float]] = {name: [] for name in contestants}
    found: dict[str, np.ndarray] = {}
    for round_ in range(arguments.repeats + (arguments.device == "cuda")):
        for name, run in contestants.items():
            began = time.perf_counter(), time.process_time()
            found[name] = run()  # ends with numbers on the host, so the device is done as well
            if round_ >= (arguments.device == "cuda"):
                seconds[name].append(time.perf_counter() - began[0])
                processor[name].append(time.process_time() - began[1])
    lengths = np.array([len(ids) for ids in rows.completions])
    first = next(iter(found.values()))
    runs = {
        name: {
            "seconds": statistics.median(seconds[name]),
            "all_seconds": seconds[name],
            "processor_seconds": statistics.median(processor[name]),
            "tokens_per_second": rows.tokens / statistics.median(seconds[name]),
            "largest_difference": float(np.max(np.abs(found[name] - first) / lengths)),
            "mean_difference": float(np.mean(np.abs(found[name] - first) / lengths)),
        }
        for name in contestants
    }
    parameters = sum(values.numel() for values in network.parameters())
    return {
        "parameters": parameters,
        "dtype": str(network.dtype),
        "compiled": arguments.compile,
        "threads": torch.get_num_threads(),
        "completions": len(rows.completions),
        "tokens": rows.tokens,
        "runs": runs,
    }


def _device_facts(network: LlamaForCausalLM, rows: Rows, runs: dict, contestants: dict) -> dict:
    """The GPU, the speed of a large matrix product on it, the share of its peak, and time by kernel."""
    name = torch.cuda.get_device_name()
    peak = next((value for key, value in PEAK.items() if key in name), None)
    operations = useful_operations(network, rows)
    for run in runs.values():
        run["tflops"] = operations / run["seconds"] / 1e12
        run["share_of_peak"] = None if peak is None else operations / run["seconds"] / peak
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        next(iter(contestants.values()))()
    events = sorted(profile.key_averages(), key=lambda event: -event.self_device_time_total)[:25]
    return {
        "device": name,
        "peak_tflops": peak and peak / 1e12,
        "matrix_product_tflops": _matrix_product() / 1e12,
        "peak_memory_gib": torch.cuda.max_memory_allocated() / 2**30,
        "kernels_ms": {event.key[:110]: [event.self_device_time_total / 1e3, event.count] for event in events},
    }


def _matrix_product(size: int = 8192, repeats: int = 20) -> float:
    one, other = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        one @ other
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(repeats):
        one @ other
    torch.cuda.synchronize()
    return 2.0 * size**3 * repeats / (time.perf_counter() - began)


def _show(report: dict) -> None:
    title = f"{report['parameters'] / 1e6:.0f}M parameters, {report['dtype']}, {report['completions']} completions, "
    table = Table(title=title + f"{report['tokens']} tokens", caption="times: duration relative to the first row")
    for column in ("contestant", "s", "CPU s", "tokens/s", "times", "nats/token off", "TFLOP/s", "of peak"):
        table.add_column(column, justify="left" if column == "contestant" else "right")
    first = next(iter(report["runs"].values()))
    for name, run in report["runs"].items():
        table.add_row(
            name,
            f"{run['seconds']:.2f}",
            f"{run['processor_seconds']:.2f}",
            grouped(run["tokens_per_second"]),
            f"{run['seconds'] / first['seconds']:.2f}",
            f"{run['largest_difference']:.1e}",
            f"{run['tflops']:.0f}" if "tflops" in run else "",
            f"{run['share_of_peak']:.0%}" if run.get("share_of_peak") else "",
        )
    Console(width=140).print(table)
    for kernel, (spent, count) in report.get("kernels_ms", {}).items():
        print(f"{spent:10.1f} ms {count:6d} × {kernel}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--questions", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, help="1 makes processor seconds meaningful on a busy machine")
    parser.add_argument("--batch-tokens", type=lambda text: [int(part) for part in text.split(",")])
    parser.add_argument("--ours-only", action="store_true")
    parser.add_argument(
        "--compile", action="store_true", help="compile the layers of the network first, for all contestants"
    )
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    arguments.batch_tokens = arguments.batch_tokens or ([65536] if arguments.device == "cuda" else [4096])
    return arguments


if __name__ == "__main__":
    main()
