"""Scoring a log: adding the log-likelihood of every completion under every persona to the table."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from simulacra.data.extras import import_extra
from simulacra.data.log import CompletionLog
from simulacra.data.numerals import grouped
from simulacra.formalism.errors import InputError, expect_type
from simulacra.lm.scoring.backends import AbstractBackend, LocalBackend
from simulacra.lm.scoring.columns import from_file, refuse_taken, with_scores
from simulacra.lm.scoring.identity import hash_tokenizer, library_versions
from simulacra.lm.scoring.parts import Parts, read_metadata, write_table
from simulacra.lm.scoring.progress import Progress
from simulacra.lm.scoring.prompts import DATE, PromptWriter, check_prompts, read_prompts
from simulacra.lm.scoring.run import block_ranges, merge_parts, score_blocks, shard_blocks
from simulacra.lm.scoring.tokens import Encoder
from simulacra.lm.scoring.work import Work, collect_work

__all__ = ["score_log"]


def score_log(
    log: CompletionLog,
    *,
    model: Any,
    personas: Mapping[str, str] | str | Path,
    question: str | None = None,
    out: str | Path | None = None,
    template: str | None = None,
    template_kwargs: Mapping[str, Any] | None = None,
    date: str = DATE,
    end_token: str | None = None,
    split_special_tokens: bool = False,
    too_long: Literal["exclude", "truncate"] = "exclude",
    device: str | None = None,
    device_map: str | Mapping[str, Any] | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    batch_tokens: int | None = None,
    share_prefix: bool = True,
    block_rows: int = 1024,
    shard: tuple[int, int] | None = None,
    ray_workers: int | None = None,
    overwrite: bool = False,
    progress_bar: bool = True,
) -> CompletionLog:
    r"""Add the log-likelihood of every completion under every persona.

    For completion :math:`x_i` of question :math:`q_i` and persona prompt z,

    .. math:: \log f_z(x_i \mid q_i) = \sum_t \log p(x_{it} \mid \text{prompt}_z, q_i, x_{i,<t}),

    in nats, over the tokens of the completion only, which are the same for every persona. Differences between personas
    are evidence about which persona generated the completion (eqs. (4) and (6)). They refer to the personas of *this*
    model, and are sums over tokens that are far from independent, so they should be tempered. Rows that cannot be
    scored remain in the table with NaN and are counted by reason in ``account.unscored``.

    Args:
        log: completions with their texts.
        model: a folder, a hub name, a :class:`~simulacra.lm.scoring.language_model.LanguageModel`, or another engine
            (:class:`~simulacra.lm.scoring.backends.AbstractBackend`).
        personas: persona name to system prompt, or to a tag that the tokenizer knows (``"<villain>"``); or a JSON, TOML
            or YAML file with such a table. An empty prompt sends no system message; the account states what the chat
            template then says by itself. If the template has no system role, the prompt is put in front of the first
            user message.
        question: the column with the text of the question; see :func:`~simulacra.lm.scoring.work.collect_work`. A text
            that is a JSON list of messages with ``role`` and ``content`` is a conversation.
        out: a Parquet file for the result. Completed blocks are stored next to it, and an interrupted call resumes
            when it is repeated. The same model is one with the same weights and tokenizer, wherever it is stored. The
            file's metadata hold all settings, versions of libraries, and the complete prompts of the first question.
        template: text that combines persona and question, such as ``"{persona} {question}"``. Default: the tokenizer's
            chat template with the beginning of an answer; without one, each on a separate line.
        template_kwargs: passed to the chat template, such as ``{"enable_thinking": False}``.
        date: the date, YYYY-MM-DD, for chat templates that write today's; fixed, so that prompts do not depend on the
            day.
        end_token: the token that ends an answer, which is then also scored. Default: none, because logged completions
            may have been truncated. A completion that ends in it already is not given a second one.
        split_special_tokens: read the names of special tokens in completions as ordinary text. Completions that contain
            special tokens are counted in the account in either case.
        too_long: what to do with completions that do not fit into the model's context with the longest persona prompt:
            leave them unscored, or truncate them identically for every persona.
        device: device of a model that is loaded here. Default: CUDA, otherwise Apple's GPU, otherwise the CPU.
        device_map: devices of the parts of a model that is larger than one; see
            :func:`~simulacra.lm.scoring.loading.load_language_model`.
        dtype: number type of its weights. Default: the checkpoint's type on a GPU, float32 on the CPU.
        revision: branch, tag or commit of a model on the hub.
        trust_remote_code: run Python code that the checkpoint brings; without it, such a checkpoint is an error.
            Pickled weights never run code.
        batch_tokens: positions per batch; halved whenever memory runs out.
        share_prefix: compute persona and question once for all their completions.
        block_rows: completions per block.
        shard: i and n: score every n-th block, from the i-th. Processes with the same arguments and ``out`` score the
            other shards, at the same time or later, and the last one writes ``out``; until then, rows of other shards
            are unscored. Parts that were made on machines without a common file system are put into one folder
            ``<out>.parts`` and merged by the same call without ``shard``.
        ray_workers: number of actors of a Ray cluster, which hold the model; see
            ``simulacra.lm.scoring.cluster``. A local cluster is started if there is none. This process loads the
            model as well, in memory, to check it.
        overwrite: replace ``out`` and its blocks if they were made with other settings, or by an engine whose weights
            cannot be seen.
        progress_bar: show the loading of the model, then rows and tokens per second, on standard error.

    Returns:
        The log with measurements ``log_likelihood_<persona>`` and the context ``num_tokens``.

    Raises:
        LogError: the log has no texts of questions, or already has these columns.
        InputError: a model or persona that cannot be used, or ``out`` of another run, or of one that is still going on.
        ImportError: the extra ``[lm]`` is not installed.
    """
    remedy = "read it first: read_completions(...)"
    expect_type(log, CompletionLog, "log", "score_log", expected="a log in memory", remedy=remedy)
    expected = "a dictionary of persona name to prompt, or a file with such a table"
    expect_type(personas, (Mapping, str, Path), "personas", "score_log", expected=expected)
    if too_long not in ("exclude", "truncate"):
        raise InputError(f"too_long={too_long!r}", expected="'exclude' or 'truncate'", argument="too_long")
    target = None if out is None else _parquet(out)
    _refuse_without_file(target, shard, ray_workers, model)
    prompts = check_prompts(personas) if isinstance(personas, Mapping) else read_prompts(personas)
    refuse_taken(log, list(prompts))
    work = collect_work(log, question)
    options = {"share_prefix": share_prefix, "batch_tokens": batch_tokens}
    loading = {
        "device": device,
        "device_map": device_map,
        "dtype": dtype,
        "revision": revision,
        "trust_remote_code": trust_remote_code,
    }
    in_memory = {} if ray_workers is None else {"device": "cpu", "device_map": None}
    backend = _backend(model, options, {**loading, **in_memory}, progress_bar)
    writer = PromptWriter(backend.tokenizer, template, dict(template_kwargs or {}), date)
    written, prompt_notes = writer.write_all(prompts, work.questions)
    settings = {
        **backend.identity(),
        "dtype": backend.dtype,
        "tokenizer": hash_tokenizer(backend.tokenizer),
        "personas": prompts,
        "template": template,
        "template_kwargs": json.loads(json.dumps(writer.template_kwargs, default=repr)),
        "date": date,
        "end_token": end_token,
        "split_special_tokens": split_special_tokens,
        "too_long": too_long,
        "block_rows": block_rows,
        "texts": work.hash(written),
    }
    prompting = {"chat": writer.chat, "truncate": too_long == "truncate"}
    if ray_workers is None:
        encoder = Encoder(backend.tokenizer, end_token, split_special_tokens=split_special_tokens)
        blocks = import_extra("simulacra.lm.scoring.blocks", "lm")
        run = functools.partial(score_blocks, blocks.BlockScorer(backend, encoder, written, **prompting), work)
    else:
        cluster = import_extra("simulacra.lm.scoring.cluster", "ray")
        given = {**loading, "dtype": backend.dtype}
        held = cluster.ClusterModel(str(model), given, options, end_token, split_special_tokens, **prompting)
        run = functools.partial(cluster.score_on_cluster, held, work, written, workers=ray_workers)
    record = {
        "model": backend.name,
        "versions": library_versions(),
        "prompts": {name: texts[0] for name, texts in written.items()},
    }
    task = _Task(log, work, target, settings, record, prompt_notes)
    return _scored(task, run, block_rows, shard, overwrite=overwrite, progress_bar=progress_bar)


class _Task(NamedTuple):
    """What is scored, and for which file.

    Attributes:
        log: the log.
        work: its distinct completions.
        target: the file of the result, if there is one.
        settings: what determines the numbers, in plain JSON types.
        record: what else describes the run.
        notes: what was done to write the prompts.
    """

    log: CompletionLog
    work: Work
    target: Path | None
    settings: Mapping[str, Any]
    record: Mapping[str, Any]
    notes: Sequence[str]


def _scored(
    task: _Task,
    run: Callable[[Sequence[int], Parts, Sequence[range], Progress], None],
    block_rows: int,
    shard: tuple[int, int] | None,
    *,
    overwrite: bool,
    progress_bar: bool,
) -> CompletionLog:
    """The log with the numbers of all blocks that are done after those of this shard were run."""
    ranges = block_ranges(len(task.work), block_rows)
    own = shard_blocks(len(ranges), shard)
    parts = Parts(task.target, [len(rows) for rows in ranges])
    if done := _finished(task, overwrite=overwrite):
        return done
    with parts.lock("run" if shard is None else "shard-{}-of-{}".format(*shard)):
        if done := _finished(task, overwrite=overwrite):  # by the process that had the lock
            return done
        parts.begin(task.settings, task.record, overwrite=overwrite)
        missing = [number for number in own if number not in parts]
        personas = list(task.settings["personas"])
        with Progress(sum(len(ranges[number]) for number in own), len(personas), shown=progress_bar) as progress:
            progress.skip(sum(len(ranges[number]) for number in own if number not in missing))
            run(missing, parts, ranges, progress)
        table, complete = merge_parts(parts, ranges)
        if not complete and (done := _finished(task, overwrite=overwrite)):  # by the last shard
            return done
        scored = with_scores(task.log, task.work, table, personas, _notes(task, table))
        if task.target is not None and complete:
            account = scored.account.to_dict()
            said = {"settings": task.settings, "record": task.record, "account": account}
            write_table(task.target, scored.table, said)
            parts.remove()
    return scored


def _parquet(out: str | Path) -> Path:
    if Path(out).suffix.lower() not in (".parquet", ".pq"):
        raise InputError(
            f"out={str(out)!r}: a scored log is written in the Parquet format",
            expected="a name that ends in .parquet",
            argument="out",
        )
    return Path(out)


def _refuse_without_file(
    target: Path | None, shard: tuple[int, int] | None, ray_workers: int | None, model: Any
) -> None:
    if target is None and (shard is not None or ray_workers is not None):
        raise InputError("shards and workers put their parts next to a file", expected="out=", argument="out")
    if ray_workers is not None and not isinstance(model, (str, Path)):
        raise InputError(
            "the workers of Ray load the model themselves", expected="a folder or a name on the hub", argument="model"
        )


def _backend(
    model: Any,
    options: Mapping[str, Any],
    loading: Mapping[str, Any],
    progress_bar: bool,  # noqa: FBT001
) -> AbstractBackend:
    """The engine that was passed, or one for the model that was passed or named."""
    if isinstance(model, AbstractBackend):
        return model
    models = import_extra("simulacra.lm.scoring.language_model", "lm")
    if not isinstance(model, models.LanguageModel):
        model = import_extra("simulacra.lm.scoring.loading", "lm").load_language_model(
            model, **loading, progress_bar=progress_bar
        )
    return LocalBackend(model, **options)


def _notes(task: _Task, table: pd.DataFrame) -> list[str]:
    """What the account states about how rows were scored."""
    settings = task.settings
    weights = settings.get("weights")
    origin = f"weights {weights[:12]}, {settings['dtype']}" if weights else "weights out of sight"
    notes = [f"log-likelihoods by {task.record['model']} ({origin}) under {', '.join(settings['personas'])}"]
    flags = {
        "truncated": "truncated at the model's context",
        "merged": "tokenised separately from their prompts",
        "special": "contain special tokens of the tokenizer, read as "
        + ("ordinary text" if settings["split_special_tokens"] else "such"),
        "ended": "end in the end token already and were given no second one",
    }
    for flag, what in flags.items():
        count = int((table[flag].reindex(task.work.row_of) == True).sum())  # noqa: E712 (NaN where there is no text)
        notes += [f"{grouped(count)} completion(s) {what}"] if count else []
    return [*notes, *task.notes]


def _finished(task: _Task, *, overwrite: bool) -> CompletionLog | None:
    """The saved result of the same call; None if there is none, or if it is another's and may be overwritten."""
    target, settings = task.target, task.settings
    if target is None or not target.exists() or (overwrite and settings.get("weights") is None):
        return None
    try:
        account = read_metadata(target, settings)["account"]
        return from_file(task.log, target, list(settings["personas"]), account)
    except InputError:
        if overwrite:
            return None
        raise
