"""Scoring by Ray Data: actors hold the model, read blocks of texts from a Parquet file and write parts.

The folder of the parts must be visible to all machines of the cluster. An actor that dies is started again by Ray with
the block that it had; a run that is killed as a whole resumes with the blocks that are left.
"""

import dataclasses
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulacra.data.extras import import_extra
from simulacra.formalism.errors import InputError
from simulacra.lm.scoring.parts import Parts
from simulacra.lm.scoring.progress import Progress
from simulacra.lm.scoring.run import refuse_broken
from simulacra.lm.scoring.work import Work

__all__ = ["ClusterModel", "score_on_cluster"]


@dataclasses.dataclass(frozen=True)
class ClusterModel:
    """A model as it is loaded by every actor.

    Attributes:
        source: a folder, or a name on the hub.
        loading: arguments of :func:`~simulacra.lm.scoring.loading.load_language_model`.
        options: arguments of :class:`~simulacra.lm.scoring.backends.LocalBackend`.
        end_token: see :class:`~simulacra.lm.scoring.tokens.Encoder`.
        split_special_tokens: likewise.
        chat: see :class:`~simulacra.lm.scoring.blocks.BlockScorer`.
        truncate: likewise.
    """

    source: str
    loading: Mapping[str, Any]
    options: Mapping[str, Any]
    end_token: str | None
    split_special_tokens: bool
    chat: bool
    truncate: bool


def score_on_cluster(
    model: ClusterModel,
    work: Work,
    written: Mapping[str, list[str]],
    missing: Sequence[int],
    parts: Parts,
    ranges: Sequence[range],
    progress: Progress,
    *,
    workers: int,
) -> None:
    """Score blocks with this many actors.

    Raises:
        InputError: an actor cannot load the model, or another problem that scoring has in one process.
    """
    if not missing:
        return
    ray = import_extra("ray", "ray")
    data = import_extra("ray.data", "ray")
    logging.getLogger("ray").setLevel(logging.ERROR)  # its errors are raised; the rest repeats what progress shows
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # has a level of its own since it was imported
    assert parts.folder is not None
    _write_texts(parts.folder, work, written, ranges)
    if not ray.is_initialized():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    data.DataContext.get_current().enable_progress_bars = False
    gpus = 1 if ray.cluster_resources().get("GPU", 0) and model.loading.get("device") != "cpu" else 0
    blocks = data.from_items([{"block": number} for number in missing], override_num_blocks=len(missing))
    scored = blocks.map_batches(
        _Actor,
        batch_size=1,
        compute=data.ActorPoolStrategy(size=min(workers, len(missing))),
        num_gpus=gpus,
        fn_constructor_args=(model, str(parts.folder.resolve()), [len(rows) for rows in ranges]),
    )
    try:
        for batch in scored.iter_batches(batch_size=1):
            number, tokens = int(batch["block"][0]), int(batch["tokens"][0])
            if number == missing[0] and (table := parts.read(number)) is not None:
                refuse_broken(table)
            progress(len(ranges[number]) * len(written), tokens * len(written))
    except ray.exceptions.RayError as error:
        raise _input_error(error) from error


class _Actor:
    """Holds the model; called with the number of a block, writes its part."""

    def __init__(self, model: ClusterModel, folder: str, sizes: Sequence[int]) -> None:
        backends = import_extra("simulacra.lm.scoring.backends", "lm")
        blocks = import_extra("simulacra.lm.scoring.blocks", "lm")
        loading = import_extra("simulacra.lm.scoring.loading", "lm")
        tokens = import_extra("simulacra.lm.scoring.tokens", "lm")
        self._parts = Parts(_output(folder), sizes)
        self._texts = pq.ParquetFile(Path(folder) / "texts.parquet")
        loaded = loading.load_language_model(model.source, **{**model.loading, "progress_bar": False})
        self._scorer = blocks.BlockScorer(
            backends.LocalBackend(loaded, **model.options),
            tokens.Encoder(loaded.tokenizer, model.end_token, split_special_tokens=model.split_special_tokens),
            pq.read_table(Path(folder) / "prompts.parquet").to_pydict(),
            chat=model.chat,
            truncate=model.truncate,
        )

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        tokens: list[int] = []
        for number in batch["block"].tolist():
            texts = self._texts.read_row_group(number).to_pydict()
            question_of = np.array(texts["question"], dtype=np.int64)
            work = Work((), tuple(texts["completion"]), question_of, np.empty(0, dtype=np.int64))
            block = self._scorer.encode(work, range(len(work)))
            table = self._scorer.score(block, lambda rows, count: None)
            self._parts.write(number, table)
            tokens.append(int(table["num_tokens"].sum()))
        return {"block": batch["block"], "tokens": np.array(tokens, dtype=np.int64)}


def _write_texts(folder: Path, work: Work, written: Mapping[str, list[str]], ranges: Sequence[range]) -> None:
    """The texts of every block as a row group, and the prompts, for the actors."""
    prompts = pa.table({name: pa.array(texts, pa.string()) for name, texts in written.items()})
    pq.write_table(prompts, folder / "prompts.parquet")
    schema = pa.schema({"question": pa.int64(), "completion": pa.string()})
    with pq.ParquetWriter(folder / "texts.parquet", schema) as writer:
        for rows in ranges:
            own = slice(rows.start, rows.stop)
            columns = {"question": work.question_of[own], "completion": list(work.completions[own])}
            writer.write_table(pa.table(columns, schema=schema), row_group_size=max(1, len(rows)))


def _output(folder: str) -> Path:
    return Path(folder.removesuffix(".parts"))


def _input_error(error: BaseException) -> BaseException:
    """The InputError that an actor raised, or the error of Ray."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, InputError):
        cause = getattr(cause, "cause", None) or cause.__cause__
    return error if cause is None else cause
