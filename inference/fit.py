"""Fit a persona mixture to a log.

:func:`fit` is the only call that most users need. It collapses the log to counts and evaluates the weight formula
(:mod:`simulacra.inference.prepare`), samples from the posterior (:mod:`simulacra.inference.sampling.sample`), corrects
label switching (:mod:`simulacra.inference.sampling.relabel`), arranges the draws in the ArviZ schema
(:mod:`simulacra.inference.posterior`), runs the checks (:mod:`simulacra.inference.diagnostics`), and returns everything
as a :class:`~simulacra.inference.result.Result`.

References:
    Gelman et al. (2020), Bayesian workflow, arXiv:2011.01808 (fit, check, and only then interpret).
"""

import contextlib
import dataclasses
import numbers
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import jax
import numpy as np
import psutil
import xarray as xr
from threadpoolctl import threadpool_limits

from simulacra.data.counting.collapse import expect_log
from simulacra.data.numerals import grouped
from simulacra.data.progress import progress_console
from simulacra.formalism.display import listing
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.mixture import PersonaMixture
from simulacra.formalism.parameters import Parameters
from simulacra.formalism.shifts import claim
from simulacra.inference.calibration import calibration_statistics
from simulacra.inference.checkpoint import open_checkpoint
from simulacra.inference.checks import check_draws, with_fitting_names
from simulacra.inference.default_model import default_model
from simulacra.inference.diagnostics import Thresholds, check_labels, check_readings, lacks_draws
from simulacra.inference.groups import names_of
from simulacra.inference.log_measurements import Log
from simulacra.inference.misfit import misfit_of_readings
from simulacra.inference.names import check_names, describe_absent, find_evidence
from simulacra.inference.posterior import build_tree, parameters_of, posterior_dataset
from simulacra.inference.prepare import Prepared, prepare
from simulacra.inference.rates import count_events, fit_rates
from simulacra.inference.readings import READING, distinct_readings, rival_modes
from simulacra.inference.result import Result
from simulacra.inference.sampling.cost import Cost
from simulacra.inference.sampling.device import Devices, chosen_device, described, expect_gpu
from simulacra.inference.sampling.initialise import Start
from simulacra.inference.sampling.journal import Journal
from simulacra.inference.sampling.relabel import relabel
from simulacra.inference.sampling.sample import (
    Sampled,
    Settings,
    Target,
    find_modes,
    num_iterations,
    sample_posterior,
)
from simulacra.inference.sensitivity import prior_sensitivity
from simulacra.inference.tables import CI_PROB, ROPE, ends
from simulacra.inference.texts import describe_texts
from simulacra.inference.uncovered import uncovered_texts

__all__ = ["fit"]

_FIRST_DRAWS, _MOST_DRAWS = 1000, 4000
_LEAST_STARTS = 10
_READING_DRAWS = 500  # draws per chain of readings other than the first, which are compared but not reported
_MOST_RIVALS = 4
_LONG = 60.0  # seconds from which a fit says what it will take


def fit(
    model: PersonaMixture | Log,
    log: Log | None = None,
    *,
    seed: int = 0,
    num_warmup: int = 400,
    num_samples: int | None = None,
    num_chains: int = 4,
    engine: Literal["hmc", "nuts"] = "hmc",
    chain_method: Literal["parallel", "sequential", "vectorized"] = "vectorized",
    target_accept_prob: float = 0.9,
    num_starts: int = 100,
    thresholds: Thresholds | None = None,
    ci_prob: float = CI_PROB,
    rope: float | int = ROPE,
    progress_bar: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    compilation_cache: bool = True,
    device: Devices = "auto",
) -> Result:
    """Sample from the posterior of a persona mixture and run all checks.

    Args:
        model: personas, emissions, weight formula and baseline. ``fit(log)`` fits the model that
            :func:`~simulacra.inference.default_model` chooses for the log, and says what it chose on standard error,
            unless ``progress_bar`` is false.
        log: a log that was read, scanned, or collapsed with the emissions of the model.
        seed: random seed; the same seed gives the same draws.
        num_warmup: warm-up iterations per chain (discarded), at least 200; each stage is rounded up to blocks of 50.
        num_samples: draws per chain. Default: 1000; if only R-hat or ESS then narrowly fails, HMC continues to 2000
            or 4000.
        num_chains: number of chains.
        engine: ``"hmc"``, HMC with jittered trajectory lengths; or ``"nuts"``, NumPyro's NUTS in the same
            preconditioned space with a density compiled by JAX, which is several times slower and serves as an
            independent check. It needs ``LikelihoodEmission(calibration="joint")`` if there are log-likelihoods.
        chain_method: how NUTS runs its chains, as in NumPyro; not used by HMC.
        target_accept_prob: target acceptance rate of the step size adaptation. If transitions of HMC diverge, the draws
            are discarded and sampling is repeated once with shorter steps, at a target of at least 0.98; the notes of
            the result say so.
        num_starts: number of EM runs that search for modes, at least 10. The search does not depend on ``seed``. Modes
            whose log evidence is close to that of the best are sampled as well (:meth:`Result.readings`).
        thresholds: thresholds of the checks.
        ci_prob: probability of the intervals of the result, which is stored with it: the default of all its tables,
            citations, figures and reports. Draws and checks do not depend on it.
        rope: half-width of the region of practical equivalence of rate differences, a probability, stored likewise.
        progress_bar: whether to show progress on standard error; ``None`` shows it in terminals, and in notebooks with
            ipywidgets. Unless it is false, a fit that will take longer than a minute or more memory than there is says
            so there before its chains run; the time is that of the first ``num_samples``, within a factor of about two.
        checkpoint: a folder in which the chains are kept while they run. If the process is killed, the same call
            resumes from it, says so on standard error unless ``progress_bar`` is false, and returns the draws of an
            uninterrupted call, bit for bit. It is created, and remains when ``fit`` returns: delete it when the result
            has been saved. HMC only.
        compilation_cache: whether to keep compiled programs on disk between processes, in JAX's own cache if one is
            configured, otherwise in the user's cache folder. Scores and labels need none on the processor; a GPU, texts
            and NUTS do.
        device: where HMC computes the trajectories of scores and labels: ``"cpu"``; ``"gpu"``, the first that JAX sees;
            or ``"auto"``, a GPU if JAX sees one and the log is of a size at which an H100 was faster. NUTS, and texts
            with a joint calibration, run on JAX's default device. The settings of the result name the device. Draws of
            the same seed differ between devices, as after a change of the seed.

    Returns:
        A :class:`~simulacra.inference.result.Result`. If checks fail, it is returned as well: ``ok`` is false, and the
        estimates that the failed checks concern are withheld from its tables.

    Raises:
        InputError: arguments are out of range, the model does not match the log, or ``checkpoint`` is that of another
            fit (another log, model, setting or version of the software) or damaged.

    Runs in float64 regardless of JAX's setting, which is left unchanged.
    """
    if log is None and not isinstance(model, PersonaMixture):
        log = model
        model = default_model(log, silent=progress_bar is False)
    first = _FIRST_DRAWS if num_samples is None else num_samples
    most = _MOST_DRAWS if num_samples is None and engine == "hmc" else first
    settings = Settings(
        seed, num_warmup, first, num_chains, engine, chain_method, target_accept_prob, num_starts, device
    )
    model, log = _check_arguments(model, log, thresholds, settings, checkpoint)
    thresholds = thresholds or Thresholds()
    ends(ci_prob)  # raises before anything is fitted
    claim(0.0, 0.0, rope=rope)
    shown = {"ci_prob": ci_prob, "rope": rope}
    prepared = prepare(model, log)
    if compilation_cache:
        _use_compilation_cache()
    # One BLAS thread: more would compete with the threads of chains, and round differently from machine to machine.
    with (
        threadpool_limits(limits=1, user_api="blas"),
        jax.enable_x64(True),  # noqa: FBT003 (JAX's signature)
        _resumed(checkpoint, prepared, settings, thresholds, silent=progress_bar is False) as journal,
        _progress(num_iterations(settings), show=progress_bar) as progress,
    ):
        progress("rates", 0)
        rates = None
        if model.outcome is not None:
            events, draws = count_events(prepared, model.outcome), num_chains * first
            rates = fit_rates(events, thresholds, num_draws=draws, seed=settings.seed)

        progress("finding modes", 0)
        target = find_modes(prepared, settings.num_starts, settings.seed)
        best = target.starts[0]
        rivals = rival_modes(target.starts, gap=thresholds.mode_gap, distance=thresholds.mode_distance)
        rivals, more = rivals[:_MOST_RIVALS], max(len(rivals) - _MOST_RIVALS, 0)
        short = settings._replace(num_samples=min(first, _READING_DRAWS), engine="hmc")

        def announce(cost: Cost) -> None:
            relative = 1 + len(rivals) * num_iterations(short) / num_iterations(settings)
            _announce(cost._replace(seconds=relative * cost.seconds), prepared, silent=progress_bar is False)

        def checked(sampled: Sampled) -> Result:
            progress("checking", 0)
            return _assemble(prepared, target, sampled, readings, more, rates, settings, thresholds, shown)

        segments = sample_posterior(prepared, target, best, settings, progress, journal, announce)
        sampled = next(segments)
        readings = [_sample_reading(prepared, target, rival, short, thresholds, progress, journal) for rival in rivals]
        while True:
            result = checked(sampled)
            if result.settings["num_samples"] >= most or not lacks_draws(result.checks):
                return result
            del result, sampled  # draws may fill the memory
            sampled = next(segments)


def _sample_reading(
    prepared: Prepared,
    target: Target,
    start: Start,
    settings: Settings,
    thresholds: Thresholds,
    progress: Callable[[str, int], None],
    journal: Journal | None,
) -> xr.Dataset:
    """The posterior around another mode, with personas named by their gates."""
    sampled = next(sample_posterior(prepared, target, start, settings, progress, journal))
    parameters, _ = _relabelled(prepared, sampled, start)
    return _named(prepared, posterior_dataset(prepared, parameters), thresholds)


def _named(prepared: Prepared, posterior: xr.Dataset, thresholds: Thresholds) -> xr.Dataset:
    """The posterior with the names that its personas have after the name gates."""
    evidence = find_evidence(prepared, posterior, thresholds)
    probabilities = parameters_of(posterior, prepared).probabilities
    names = check_names(prepared.model, probabilities, evidence, thresholds)
    return posterior.assign_coords(persona=np.array(with_fitting_names(names, prepared)[1]))


def _relabelled(prepared: Prepared, sampled: Sampled, start: Start) -> tuple[Parameters, np.ndarray]:
    """The draws with the labels of the mode, and the number of corrected draws in every chain."""
    if prepared.texts is not None:  # every persona is tied to its prompt, and labels cannot switch
        return sampled.parameters, np.zeros(len(sampled.stats["lp"]))
    return relabel(sampled.parameters, start.probabilities)


def _assemble(
    prepared: Prepared,
    target: Target,
    sampled: Sampled,
    rivals: Sequence[xr.Dataset],
    more: int,
    rates: xr.Dataset | None,
    settings: Settings,
    thresholds: Thresholds,
    shown: Mapping[str, float | int],
) -> Result:
    settings = settings._replace(num_samples=sampled.stats["lp"].shape[1])
    parameters, switched = _relabelled(prepared, sampled, target.starts[0])
    tree = build_tree(prepared, parameters, sampled.stats, settings.seed)
    posterior, model = tree["posterior"].to_dataset(), prepared.model
    absent = describe_absent(model, find_evidence(prepared, posterior, thresholds), thresholds)
    sampling = _describe_repetition(sampled.diverged)
    notes = (
        *prepared.notes,
        *_describe_conditions(prepared),
        *_describe_questions(prepared),
        *sampling,
        *describe_texts(prepared, parameters),
        *absent,
    )
    first = _named(prepared, posterior, thresholds)
    readings = distinct_readings([first, *rivals], distance=thresholds.mode_distance)
    if model.measurements:
        tree["misfit"] = xr.DataTree(misfit_of_readings(prepared, readings, seed=settings.seed))
    tree["sensitivity"] = xr.DataTree(
        prior_sensitivity(posterior["weights"], posterior, model).to_dataset(name="weights")
    )
    if prepared.texts is not None and prepared.texts.calibrated:
        fitted = calibration_statistics(prepared.texts, target.problem.prior, parameters, target.pareto_k)
        tree["calibration"] = xr.DataTree(fitted)
        tree["uncovered"] = xr.DataTree(uncovered_texts(prepared, prepared.texts, posterior))
    if rates is not None:
        tree["rates"] = xr.DataTree(rates)
    checks, names = with_fitting_names(check_draws(prepared, tree, thresholds), prepared)
    if names != model.names:
        tree = tree.map_over_datasets(
            lambda data: data.assign_coords(persona=np.array(names)) if "persona" in data.dims else data
        )
    for number, reading in enumerate(readings[1:], start=2):
        tree[f"{READING}{number}"] = xr.DataTree(reading)
    checks += (check_readings(readings, more, thresholds),)
    if prepared.texts is None:
        before, after = sampled.parameters.probabilities, parameters.probabilities
        checks += (check_labels(switched, before, after, thresholds),)
    device = _device_of_chains(target, settings)
    record = {**settings._asdict(), "device": device, "thresholds": dataclasses.asdict(thresholds), **shown}
    return Result(tree, prepared, checks, record, notes)


def _device_of_chains(target: Target, settings: Settings) -> str:
    """The name of the device on which the draws were computed."""
    compiled = settings.engine == "nuts" or (target.calibration is not None and target.given is None)
    return described(jax.devices()[0] if compiled else chosen_device(target.problem, settings.device))


def _announce(cost: Cost, prepared: Prepared, *, silent: bool) -> None:
    """Say on standard error what a long fit will cost, and whether memory suffices."""
    available = psutil.virtual_memory().available
    if silent or (cost.seconds < _LONG and cost.memory < available):
        return
    size = f"{grouped(len(prepared.counts))} cells, {len(prepared.model.names)} personas"
    minutes = f"{max(round(cost.seconds / 60), 1)} min and {cost.memory / 1e9:.1f} GB of memory"
    where = "" if cost.device == "cpu" else f" on {cost.device}"
    print(f"Sampling will take about {minutes}{where} ({size})", file=sys.stderr)
    if cost.memory > available:
        lacking = f"Only {available / 1e9:.1f} GB are available: pass a smaller num_samples, or fewer conditions"
        print(lacking, file=sys.stderr)


def _describe_conditions(prepared: Prepared) -> list[str]:
    """Whether there are so few conditions that emissions can adapt to each of them."""
    conditions, personas = len(prepared.conditions), len(prepared.model.names)
    if conditions > personas or prepared.texts is not None:
        return []
    return [
        f"{conditions} conditions and {personas} personas: emissions can adapt to every condition, so weights depend "
        "on the archetypes and on the number of personas, and the unexplained share may be small whatever a condition "
        "does. Rates do not depend on either."
    ]


def _describe_questions(prepared: Prepared) -> list[str]:
    """Whether groups were asked different base questions, over which their weights and rates are averages."""
    asked = prepared.asked
    number = int(asked.any(axis=0).sum())
    few = [
        f"{name} ({grouped(own)} of {grouped(number)})"
        for name, own in zip(names_of(prepared.groups), asked.sum(axis=1).tolist(), strict=True)
        if own < number
    ]
    if not few:
        return []
    return [
        f"not all base questions were asked everywhere: {listing(few)}. Weights, shifts and rates on these questions "
        "are averages over the questions that each condition was asked, so they also differ because questions do."
    ]


def _describe_repetition(diverged: int) -> list[str]:
    if not diverged:
        return []
    transitions = "transition" if diverged == 1 else "transitions"
    return [f"sampling was repeated with shorter steps, because {grouped(diverged)} {transitions} diverged at first."]


def _check_arguments(
    model: object, log: object, thresholds: object, settings: Settings, checkpoint: object
) -> tuple[PersonaMixture, Log]:
    swapped = "the model comes first: fit(model, log)" if isinstance(log, PersonaMixture) else None
    expect_type(model, PersonaMixture, "model", "fit", expected="a PersonaMixture", remedy=swapped)
    assert isinstance(model, PersonaMixture)
    log = expect_log(log, "fit")
    expect_type(
        thresholds, (Thresholds, type(None)), "thresholds", "fit", expected="Thresholds, such as Thresholds(ess=200)"
    )
    for name in ("seed", "num_warmup", "num_samples", "num_chains", "num_starts"):
        expect_type(getattr(settings, name), numbers.Integral, name, "fit", expected="a whole number")
    least = {
        "seed": (0, "0 or more"),
        "num_warmup": (200, "num_warmup >= 200"),
        "num_samples": (50, "num_samples >= 50"),
        "num_chains": (2, "num_chains >= 2 (one chain cannot be checked)"),
        "num_starts": (_LEAST_STARTS, f"num_starts >= {_LEAST_STARTS} (fewer may miss a mode)"),
    }
    for name, (smallest, expected) in least.items():
        if getattr(settings, name) < smallest:
            raise InputError(f"fit: {name} is {getattr(settings, name)}", expected=expected, argument=name)
    expected = "target_accept_prob in [0.5, 1)"
    expect_type(settings.target_accept_prob, numbers.Real, "target_accept_prob", "fit", expected=expected)
    if not 0.5 <= settings.target_accept_prob < 1:
        raise InputError(f"fit: expected {expected}; got {settings.target_accept_prob}", argument="target_accept_prob")
    if settings.engine not in ("hmc", "nuts"):
        raise InputError(f"fit: expected engine 'hmc' or 'nuts'; got {settings.engine!r}", argument="engine")
    if settings.chain_method not in ("parallel", "sequential", "vectorized"):
        raise InputError(
            f"fit: expected chain_method 'parallel', 'sequential' or 'vectorized'; got {settings.chain_method!r}",
            argument="chain_method",
        )
    if settings.device not in ("auto", "cpu", "gpu"):
        raise InputError(f"fit: expected device 'auto', 'cpu' or 'gpu'; got {settings.device!r}", argument="device")
    if settings.device == "gpu":
        expect_gpu(texts=model.likelihood is not None)
    expect_type(checkpoint, (str, os.PathLike, type(None)), "checkpoint", "fit", expected="the path of a folder")
    if settings.engine == "nuts" and model.likelihood is not None and model.likelihood.calibration == "cut":
        raise InputError(
            "fit: NumPyro samples the joint posterior of calibration and weights only",
            expected="engine='hmc' for a calibration that is cut from the rows",
            remedy="leave out engine, or pass LikelihoodEmission(calibration='joint')",
            argument=("engine", "calibration"),
        )
    if checkpoint is not None and settings.engine == "nuts":
        raise InputError(
            "fit: the chains of NumPyro cannot be resumed",
            expected="engine='hmc' with a checkpoint",
            remedy="leave out checkpoint, or engine",
            argument=("checkpoint", "engine"),
        )
    return model, log


def _use_compilation_cache() -> None:
    if jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return
    from jax.experimental.compilation_cache import compilation_cache
    from platformdirs import user_cache_path

    folder = Path(os.environ.get("SIMULACRA_CACHE_DIR") or user_cache_path("simulacra")) / "xla"
    jax.config.update("jax_compilation_cache_dir", str(folder))  # type: ignore[no-untyped-call]
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)  # type: ignore[no-untyped-call]
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)  # type: ignore[no-untyped-call]
    compilation_cache.reset_cache()  # JAX remembers that it found no cache; this makes it look again


@contextlib.contextmanager
def _resumed(
    checkpoint: str | os.PathLike[str] | None,
    prepared: Prepared,
    settings: Settings,
    thresholds: Thresholds,
    *,
    silent: bool,
) -> Iterator[Journal | None]:
    """The chains of an earlier process; says on standard error that there are any."""
    if checkpoint is None:
        yield None
        return
    with open_checkpoint(Path(checkpoint), prepared, settings, thresholds) as chains:
        if chains.draws and not silent:
            print(f"Resuming from {checkpoint}, with {grouped(chains.draws)} draws (warm-up included)", file=sys.stderr)
        yield chains


@contextlib.contextmanager
def _progress(total: int, *, show: bool | None) -> Iterator[Callable[[str, int], None]]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = progress_console()
    wanted = (console.is_terminal or console.is_jupyter) if show is None else show
    if not wanted:
        yield lambda stage, iterations: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=total)
        yield lambda stage, iterations: bar.update(
            task,
            description=stage,
            advance=iterations,
            total=max(total, bar.tasks[0].completed + iterations),
        )
