"""Inspect AI logs, ``.eval`` and ``.json``, through the library's reading functions.

Samples are read in batches and, if transcripts are long, without them: events, messages and stores are most of a log
and are not needed. ``read_eval_log_samples`` opens the archive again for every sample,
``read_eval_log_samples_by_id`` once per batch, so that large logs are read in seconds.
"""

import collections
import contextlib
import dataclasses
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from simulacra.data.account import LeftOut
from simulacra.data.errors import LogError, place
from simulacra.data.extras import import_extra
from simulacra.data.progress import progress_console
from simulacra.data.reading.columns import suffixed
from simulacra.data.reading.formats.expansion import refuse_archive
from simulacra.data.reading.formats.records import flat, sheet_of_records
from simulacra.data.reading.formats.sheet import Sheet, refuse_no_rows
from simulacra.data.secrets import redacted

__all__ = ["read_inspect"]

_UNREAD = frozenset(
    ["messages", "events", "store", "attachments", "timelines", "model_usage", "role_usage", "files", "setup"]
)
_BATCH, _LONG = 1000, 4096  # samples; bytes of a compressed sample
_OWN = ("question_id", "epoch", "completion", "question", "model", "task", "limit")
_EXAMPLES = 3


def read_inspect(path: Path, *, errors: str = "exclude", progress_bar: bool | None = None) -> Sheet:
    """Read the samples of one Inspect log; a record is a sample's 1-based position in the log.

    Columns are ``question_id`` (the sample's id), ``epoch``, ``completion``, ``question`` (its input), ``model``,
    ``task``, the sample's metadata, the arguments of model and task (``model_args.x``, ``task_args.x``), and scores: a
    metric under its own name if one scorer reports it, as ``<metric>_<scorer>`` if several do. A scorer of single
    values is its own metric. Secrets in metadata and arguments are replaced. Samples that ended in an error, were
    invalidated or have no scores are excluded and counted separately.

    Args:
        path: the log.
        errors: ``"keep"`` keeps samples that ended in an error and have scores.
        progress_bar: show progress on standard error; None does so in terminals, and in notebooks with ipywidgets.

    Raises:
        MissingExtraError: inspect_ai is not installed.
        LogError: inspect_ai cannot read the log, or it contains no scored sample.
    """
    api = import_extra("inspect_ai.log", "inspect")
    refuse_archive(path)
    with _refusing(path):
        header = api.read_eval_log(str(path), header_only=True)
    records, places, judged, left_out, edited = [], [], [], collections.defaultdict(list), 0
    for position, sample in enumerate(_samples(api, path, progress_bar=progress_bar), start=1):
        reason = _unusable(sample, errors)
        if reason is not None:
            left_out[reason].append(place(path, position))
            continue
        records.append(_record(sample, header))
        judged.append(sample.scores)
        places.append(position)
        edited += any(score.history for score in sample.scores.values())
    if not records:
        seen = ", ".join(f"{len(places)} {reason}" for reason, places in left_out.items()) or "none"
        raise refuse_no_rows(path, [f"samples: {seen}"])
    scores = _scores(judged)
    taken = {name for columns in scores for name in columns}
    for record, columns in zip(records, scores, strict=True):
        for name in taken & record.keys():
            record[f"metadata.{name}"] = record.pop(name)
        record |= columns
    return dataclasses.replace(
        sheet_of_records(records, places, path),
        layout="inspect",
        why=f"an Inspect log of the task {header.eval.task!r}",
        scores=tuple(sorted(taken)),
        left_out={reason: LeftOut(len(found), tuple(found[:_EXAMPLES])) for reason, found in left_out.items()},
        provenance=_provenance(header),
        notes=tuple(_notes(header, path, len(records) + sum(map(len, left_out.values())), edited)),
    )


@contextlib.contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Wraps calls of the library only, since errors in our own code are not problems of the log."""
    try:
        yield
    except Exception as error:  # of zip, zstandard, JSON or pydantic: the library passes them on as they come
        raise LogError(
            f"inspect_ai cannot read the log ({type(error).__name__}: {str(error).partition(chr(10))[0]})",
            file=path,
            expected="a complete Inspect log",
            remedy="check that it was copied completely, and that inspect_ai is at least as recent as the version that "
            "wrote it",
        ) from error


def _samples(api: Any, path: Path, *, progress_bar: bool | None) -> Iterator[Any]:
    """Every sample, without its transcript. JSON logs cannot be read in parts: the library loads them as a whole."""
    if path.suffix == ".json":
        with _refusing(path):
            samples = api.read_eval_log(str(path)).samples or []
        yield from _tracked(samples, path, show=progress_bar)
        return
    with _refusing(path):
        found = [(summary.id, summary.epoch) for summary in api.read_eval_log_sample_summaries(str(path))]
    batches = [found[start : start + _BATCH] for start in range(0, len(found), _BATCH)]
    # Excluding fields means reading JSON piece by piece, which is faster only if transcripts are long.
    unread = set(_UNREAD) if path.stat().st_size > _LONG * len(found) else None
    for batch in _tracked(batches, path, show=progress_bar):
        with _refusing(path):
            samples = api.read_eval_log_samples_by_id(str(path), batch, exclude_fields=unread)
        yield from samples


def _tracked(items: list[Any], path: Path, *, show: bool | None) -> Iterable[Any]:
    from rich.progress import track

    console = progress_console()
    wanted = (console.is_terminal or console.is_jupyter) if show is None else show
    return track(items, f"reading {path.name}", console=console, transient=True, disable=not wanted)


def _unusable(sample: Any, errors: str) -> str | None:
    """Why a sample is not a judged completion."""
    if sample.invalidation is not None:
        return "the sample was invalidated"
    if sample.error is not None and not (errors == "keep" and sample.scores):
        return "the sample ended in an error"
    return None if sample.scores else "the sample has no scores"


def _record(sample: Any, header: Any) -> dict[str, Any]:
    """A sample without its scores."""
    spec = header.eval
    said = {name if name not in _OWN else f"metadata.{name}": value for name, value in sample.metadata.items()}
    arguments = redacted({"model_args": dict(spec.model_args), "task_args": dict(spec.task_args)})
    asked = sample.input if isinstance(sample.input, str) else sample.input[-1].text if sample.input else ""
    own = {
        "question_id": str(sample.id),
        "epoch": sample.epoch,
        "completion": sample.output.completion,
        "question": asked,
        "model": spec.model,
        "task": spec.task,
    }
    limit = {} if sample.limit is None else {"limit": sample.limit.type}
    return {**own, **limit, **flat(redacted(said)), **flat(arguments)}


def _scores(judged: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The scores of every sample by column; a metric that several scorers report is named with the scorer."""
    spelt = [
        {(scorer, metric): value for scorer, score in scores.items() for metric, value in _metrics(scorer, score.value)}
        for scores in judged
    ]
    pairs = dict.fromkeys(itertools.chain.from_iterable(spelt))
    times = collections.Counter(metric for _, metric in pairs)
    names = {pair: pair[1] if times[pair[1]] == 1 else suffixed(pair[1], pair[0]) for pair in pairs}
    return [{names[pair]: value for pair, value in scores.items()} for scores in spelt]


def _metrics(scorer: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for metric, own in value.items():
            yield str(metric), _plain(own)
    elif isinstance(value, (list, tuple)):
        for position, own in enumerate(value):
            yield f"{scorer}.{position}", _plain(own)
    else:
        yield scorer, _plain(value)


def _plain(value: Any) -> Any:
    """A single value; Inspect writes NaN if a scorer gave none."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _provenance(header: Any) -> dict[str, str]:
    spec = header.eval
    said = {
        "task": spec.task,
        "model": spec.model,
        "created": str(spec.created),
        "eval_id": spec.eval_id,
        "status": header.status,
        "model_args": json.dumps(redacted(spec.model_args), default=str, sort_keys=True) if spec.model_args else "",
        "git_commit": spec.revision.commit if spec.revision else "",
        "packages": ", ".join(f"{name} {version}" for name, version in spec.packages.items()),
    }
    return {name: value for name, value in said.items() if value}


def _planned(spec: Any) -> int:
    """The number of samples of one epoch; 0 if it is not known."""
    size, limit = spec.dataset.samples or 0, spec.config.limit
    if getattr(spec.config, "sample_id", None) is not None:
        return len(spec.dataset.sample_ids or ())
    if limit is None or not size:
        return size
    start, stop = (0, limit) if isinstance(limit, int) else limit
    return max(0, min(size, stop) - start)


def _notes(header: Any, path: Path, found: int, edited: int) -> Iterator[str]:
    planned = _planned(header.eval) * (header.eval.config.epochs or 1)
    if header.status != "success":
        yield f"{path}: the evaluation's status is {header.status!r}; {found} of {planned or '?'} samples were logged"
    elif planned and planned != found:
        yield f"{path}: {found} samples were logged, {planned} were planned"
    if edited:
        yield f"{path}: the scores of {edited} sample(s) were edited after the evaluation; the latest value is read"
