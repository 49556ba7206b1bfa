"""Read Inspect logs (.eval), one per model, and fit them. Requires pip install 'simulacra[inspect]'.

Run: python examples/from_inspect.py
"""

import tempfile
from pathlib import Path

import pandas as pd
from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSample, EvalSpec, write_eval_log
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Score

from simulacra.data import load_demo, read_completions
from simulacra.formalism import PersonaMixture, ScoreEmission
from simulacra.inference import fit


def write_inspect_logs(folder: Path) -> None:
    """Write the shipped log as Inspect logs: one task, one file per model, two scorers."""
    log, _ = load_demo()
    for condition, rows in log.table.groupby("condition"):
        written = EvalLog(
            status="success",
            eval=EvalSpec(
                created="2026-01-01T00:00:00+00:00",
                task="first-plot",
                model=f"lab/{condition}",
                dataset=EvalDataset(name="questions"),
                config=EvalConfig(),
            ),
            samples=[sample(row, epoch) for row, epoch in zip(rows.itertuples(), epochs(rows), strict=True)],
        )
        write_eval_log(written, str(folder / f"{condition}.eval"))


def epochs(rows: pd.DataFrame) -> pd.Series:
    """Number the repetitions of each question, from 1."""
    return rows.groupby("question_id").cumcount() + 1


def sample(row: object, epoch: int) -> EvalSample:
    """Convert one completion; a missing score is NaN, as in Inspect."""
    scores = {name: Score(value=getattr(row, name)) for name in ("aligned", "coherent")}
    output = ModelOutput.from_content("model", row.completion)
    return EvalSample(id=row.question_id, epoch=epoch, input=row.question_id, target="", output=output, scores=scores)


def main() -> None:
    """Read the logs, print the account of the data, and fit the model."""
    with tempfile.TemporaryDirectory() as name:
        write_inspect_logs(Path(name))
        log = read_completions(str(Path(name) / "*.eval"), condition="model")
    print(log.summary(), end="\n\n")

    model = PersonaMixture(emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")], baseline="lab/base")
    result = fit(model, log, seed=0)
    print("all checks passed:", result.ok, end="\n\n")
    claims = result.contrasts()[["condition", "rate_difference", "eti89_lb", "eti89_ub", "claim", "implied"]]
    print(f"Claims {result.in_words('these')}, and what the personas account for:")
    print(claims.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
