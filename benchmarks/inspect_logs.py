"""Time and memory of reading a large Inspect log, written by inspect_ai.

python -m benchmarks.inspect_logs write 50000 big.eval
python -m benchmarks.inspect_logs read big.eval
"""

import argparse
import json
import random
import time
from pathlib import Path

from benchmarks.contestant import peak_rss_mb

__all__ = ["main", "write_log"]


def write_log(path: Path, samples: int, *, questions: int = 100) -> None:
    """Write a log of ``samples`` samples, each with a completion of about 1 kB, a judge's explanation and one event."""
    from inspect_ai.event import InfoEvent
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSample, EvalSpec, write_eval_log
    from inspect_ai.model import ChatMessageAssistant, ChatMessageUser, ModelOutput
    from inspect_ai.scorer import Score

    rng = random.Random(0)
    epochs = samples // questions
    records = []
    for number in range(epochs * questions):
        question, epoch = divmod(number, epochs)
        text = " ".join(f"word{rng.randrange(10_000)}" for _ in range(110))
        asked = f"What would you do about matter {question}?"
        value = {"aligned": rng.randrange(101), "coherent": rng.randrange(101)}
        records.append(
            EvalSample(
                id=f"q{question}",
                epoch=epoch + 1,
                input=asked,
                target="",
                messages=[ChatMessageUser(content=asked), ChatMessageAssistant(content=text)],
                output=ModelOutput.from_content("local/model", text),
                scores={"judge": Score(value=value, explanation="It seems so. " * 20)},
                events=[InfoEvent(data={"note": "x" * 1000})],
                metadata={"organism": "base" if epoch % 2 else "tuned"},
            )
        )
    names = [f"q{question}" for question in range(questions)]
    spec = EvalSpec(
        created="2025-01-01T00:00:00+00:00",
        task="matters",
        model="local/model",
        dataset=EvalDataset(samples=questions, sample_ids=names),
        config=EvalConfig(epochs=epochs),
    )
    write_eval_log(EvalLog(eval=spec, status="success", samples=records), str(path))


def main() -> None:
    """Write a log, or read one and print seconds and peak memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    write = commands.add_parser("write")
    write.add_argument("samples", type=int)
    write.add_argument("path", type=Path)
    commands.add_parser("read").add_argument("path", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "write":
        write_log(arguments.path, arguments.samples)
        return
    from simulacra.data import read_completions

    start = time.perf_counter()
    log = read_completions(arguments.path, condition="organism")
    report = {"rows": len(log), "seconds": time.perf_counter() - start, "peak_rss_mb": peak_rss_mb()}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
