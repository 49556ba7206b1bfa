"""The package with its defaults, from the Parquet file to a checked result."""

from typing import Literal

from benchmarks.contestant import Clock, Task, run_contestant
from benchmarks.quality import Draws, draws_of_result

__all__ = ["contestant", "race_engine"]


def race_engine(
    task: Task, clock: Clock, engine: Literal["hmc", "nuts"], device: Literal["auto", "gpu"] = "auto"
) -> tuple[Draws, dict]:
    """Fit with one of the engines; the diagnostics are part of the fit."""
    from benchmarks.logs import bench_model, read_log
    from simulacra.inference import fit

    clock.mark("imported")
    log = read_log(task.folder / "log.parquet")
    clock.mark("read")
    given = {"num_warmup": task.warmup, "num_samples": task.draws}
    result = fit(
        bench_model(task.personas),
        log,
        seed=task.seed,
        engine=engine,
        device=device,
        progress_bar=False,
        **{name: value for name, value in given.items() if value is not None},
    )
    clock.mark("checked")
    used = {name: result.settings[name] for name in ("num_warmup", "num_samples", "num_chains", "engine", "device")}
    return draws_of_result(result), {
        "settings": used,
        "ok": result.ok,
        "failed": [str(check) for check in result.failed],
    }


def contestant(task: Task, clock: Clock) -> tuple[Draws, dict]:
    """Fit with the default engine."""
    return race_engine(task, clock, "hmc")


if __name__ == "__main__":
    run_contestant(contestant)
