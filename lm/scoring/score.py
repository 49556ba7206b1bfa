"""Scoring a log: adding the log-likelihood of every completion under every persona to the table."""

import concurrent.futures
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from simulacra.data.account import Account, LeftOut
from simulacra.data.errors import LogError, place
from simulacra.data.extras import import_extra
from simulacra.data.log import CompletionLog
from simulacra.data.numerals import grouped
from simulacra.formalism.errors import InputError, expect_type
from simulacra.lm.scoring.parts import Parts, read_metadata, write_table
from simulacra.lm.scoring.prompts import PromptWriter, check_prompts, read_prompts
from simulacra.lm.scoring.tokens import Encoder
from simulacra.lm.scoring.work import NOT_FINITE, Work, collect_work

__all__ = ["COLUMN", "NUM_TOKENS", "score_log"]

COLUMN = "log_likelihood_{}"
"""The measurement with log f_z(completion | question) of a persona, in nats."""

NUM_TOKENS = "num_tokens"
"""The context with the number of tokens of the completion; the same for every persona."""

_NO_TEXT = "no completion text"


def score_log(
    log: CompletionLog,
    *,
    model: Any,
    personas: Mapping[str, str] | str | Path,
    question: str | None = None,
    out: str | Path | None = None,
    template: str | None = None,
    template_kwargs: Mapping[str, Any] | None = None,
    end_token: str | None = None,
    too_long: Literal["exclude", "truncate"] = "exclude",
    device: str | None = None,
    dtype: str | None = None,
    batch_tokens: int | None = None,
    share_prefix: bool = True,
    block_rows: int = 1024,
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
        model: a folder, a hub name, or a
            :class:`~simulacra.lm.scoring.language_model.LanguageModel`.
        personas: persona name to system prompt, or to a tag that the tokenizer knows (``"<villain>"``); or a JSON, TOML
            or YAML file with such a table. An empty prompt is the model without a persona.
        question: the column with the text of the question; see :func:`~simulacra.lm.scoring.work.collect_work`.
        out: a Parquet file for the result. Completed blocks are stored next to it, and an interrupted call resumes
            when it is repeated.
        template: text that combines persona and question, such as ``"{persona} {question}"``. Default: the tokenizer's
            chat template with the beginning of an answer; without one, each on a separate line.
        template_kwargs: passed to the chat template, such as ``{"enable_thinking": False}``.
        end_token: the token that ends an answer, which is then also scored. Default: none, because logged completions
            may have been truncated.
        too_long: what to do with completions that do not fit into the model's context with the longest persona prompt:
            leave them unscored, or truncate them identically for every persona.
        device: device of a model that is loaded here. Default: CUDA, otherwise Apple's GPU, otherwise the CPU.
        dtype: number type of its weights. Default: the checkpoint's type on a GPU, float32 on the CPU.
        batch_tokens: positions per batch; halved whenever memory runs out.
        share_prefix: compute persona and question once for all their completions.
        block_rows: completions per block.
        overwrite: replace ``out`` and its blocks if they were made with other settings.
        progress_bar: show the loading of the model, then rows and tokens per second, on standard error.

    Returns:
        The log with measurements ``log_likelihood_<persona>`` and the context ``num_tokens``.

    Raises:
        LogError: the log has no texts of questions, or already has these columns.
        InputError: a model or persona that cannot be used, or ``out`` of another run.
        ImportError: the extra ``[lm]`` is not installed.
    """
    remedy = "read it first: read_completions(...)"
    expect_type(log, CompletionLog, "log", "score_log", expected="a log in memory", remedy=remedy)
    expected = "a dictionary of persona name to prompt, or a file with such a table"
    expect_type(personas, (Mapping, str, Path), "personas", "score_log", expected=expected)
    if too_long not in ("exclude", "truncate"):
        raise InputError(f"too_long={too_long!r}", expected="'exclude' or 'truncate'", argument="too_long")
    prompts = check_prompts(personas) if isinstance(personas, Mapping) else read_prompts(personas)
    _refuse_taken(log, prompts)
    work = collect_work(log, question)
    loaded = _load(model, device=device, dtype=dtype, progress_bar=progress_bar)
    writer = PromptWriter(loaded.tokenizer, template, dict(template_kwargs or {}))
    written = writer.write_all(prompts, work.questions)
    settings = {
        "model": loaded.name,
        "weights": loaded.weights_hash,
        "dtype": loaded.dtype,
        "personas": prompts,
        "end_token": end_token,
        "too_long": too_long,
        "block_rows": block_rows,
        "texts": work.hash(written),
    }
    target = None if out is None else Path(out)
    if target is not None and target.exists() and not overwrite:
        return _finished(log, target, settings)
    blocks = import_extra("simulacra.lm.scoring.blocks", "lm")
    scorer = blocks.BlockScorer(
        loaded,
        Encoder(loaded.tokenizer, end_token),
        written,
        chat=writer.chat,
        truncate=too_long == "truncate",
        share_prefix=share_prefix,
        batch_tokens=batch_tokens,
    )
    parts = Parts(target, settings, overwrite=overwrite)
    ranges = [range(start, min(start + block_rows, len(work))) for start in range(0, len(work), block_rows)]
    with _Progress(len(work), len(prompts), shown=progress_bar) as progress:
        _score_blocks(scorer, work, ranges, parts, progress)
    table = pd.concat([parts.read(number) for number in range(len(ranges))], ignore_index=True)
    scored = _with_scores(log, work, table, settings)
    if target is not None:
        write_table(target, scored.table, {"settings": settings, "account": scored.account.to_dict()})
        parts.remove()
    return scored


def _load(model: Any, **options: Any) -> Any:
    models = import_extra("simulacra.lm.scoring.language_model", "lm")
    if isinstance(model, models.LanguageModel):
        return model
    return models.load_language_model(model, **options)


def _score_blocks(scorer: Any, work: Work, ranges: Sequence[range], parts: Parts, progress: "_Progress") -> None:
    """Score the remaining blocks; the next block is encoded while the network processes the current one."""
    missing = [number for number in range(len(ranges)) if number not in parts]
    progress.skip(len(work) - sum(len(ranges[number]) for number in missing))
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as ahead:
        encoded = [ahead.submit(scorer.encode, work, ranges[number]) for number in missing[:1]]
        for number, following in itertools.zip_longest(missing, missing[1:]):
            block = encoded.pop().result()
            if following is not None:
                encoded.append(ahead.submit(scorer.encode, work, ranges[following]))
            table = scorer.score(block, progress)
            if number == 0:
                _refuse_broken(table)
            parts.write(number, table)


class _Progress:
    """A progress bar over completions, counted when all personas are scored, with rows and tokens per second."""

    def __init__(self, rows: int, personas: int, *, shown: bool) -> None:
        from tqdm.auto import tqdm

        self._personas, self._done, self._tokens = personas, 0, 0
        self._bar = tqdm(total=rows, unit="row", desc="scoring", disable=not shown, dynamic_ncols=True)

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def skip(self, rows: int) -> None:
        """Rows that an earlier run has scored; they do not count towards the speed."""
        self._bar.initial = self._bar.n = rows
        self._done = rows * self._personas

    def __call__(self, rows: int, tokens: int) -> None:
        self._done, self._tokens = self._done + rows, self._tokens + tokens
        seconds = self._bar.format_dict["elapsed"]
        self._bar.set_postfix_str(f"{grouped(self._tokens / max(seconds, 1e-9))} tokens/s", refresh=False)
        self._bar.update(self._done // self._personas - self._bar.n)


def _with_scores(log: CompletionLog, work: Work, scores: pd.DataFrame, settings: Mapping[str, Any]) -> CompletionLog:
    """The log with a column for every persona, and an account of unscored rows."""
    names = list(settings["personas"])
    by_row = scores.reindex(work.row_of).reset_index(drop=True)  # -1 is not in any block: NaN
    reasons = by_row["unscored"].where(work.row_of >= 0, _NO_TEXT)
    added = {COLUMN.format(name): by_row[name].to_numpy() for name in names}
    notes = [
        f"log-likelihoods by {settings['model']} (weights {settings['weights'][:12]}, {settings['dtype']}) under "
        f"{', '.join(names)}"
    ]
    flags = (("truncated", "truncated at the model's context"), ("merged", "tokenised separately from their prompts"))
    for flag, what in flags:
        count = int(by_row[flag].eq(True).sum())  # noqa: FBT003
        notes += [f"{grouped(count)} completion(s) {what}"] if count else []
    account = dataclasses.replace(log.account, unscored=_by_reason(log, reasons), notes=(*log.account.notes, *notes))
    return _extended(log, {**added, NUM_TOKENS: by_row[NUM_TOKENS].to_numpy()}, account)


def _by_reason(log: CompletionLog, reasons: pd.Series) -> dict[str, LeftOut]:
    found = {}
    for reason in dict.fromkeys(reasons.dropna()):
        rows = np.flatnonzero(reasons == reason)
        first = log.table.iloc[rows[:3]]
        examples = tuple(place(file, int(row)) for file, row in zip(first["source"], first["record"], strict=True))
        found[reason] = LeftOut(len(rows), examples)
    return found


def _finished(log: CompletionLog, target: Path, settings: Mapping[str, Any]) -> CompletionLog:
    """The saved result of the same call."""
    said = read_metadata(target, settings)
    names = [*(COLUMN.format(name) for name in settings["personas"]), NUM_TOKENS]
    table = pd.read_parquet(target, columns=names)
    return _extended(log, {name: table[name].to_numpy() for name in names}, Account.from_dict(said["account"]))


def _extended(log: CompletionLog, columns: Mapping[str, np.ndarray], account: Account) -> CompletionLog:
    """The log with more columns: ``num_tokens`` is a context, the others are measurements."""
    from simulacra.data.reading.schema import check_table  # pandera takes as long to import as pandas

    measurements = (*log.measurements, *(name for name in columns if name != NUM_TOKENS))
    contexts = (*log.contexts, NUM_TOKENS)
    order = ["condition", "question_id", "base_question", "completion", *measurements, *contexts, "source", "record"]
    table = log.table.assign(**columns)[order]
    return CompletionLog(check_table(table, measurements, contexts), measurements, contexts, account)


def _refuse_taken(log: CompletionLog, prompts: Mapping[str, str]) -> None:
    for name in (*(COLUMN.format(persona) for persona in prompts), NUM_TOKENS):
        if name in log.table:
            raise LogError(
                "the log already has this column",
                column=name,
                expected="a log that was not scored for this persona",
                remedy=f'read it with columns={{"{name}": None}}',
                argument="columns",
            )


def _refuse_broken(table: pd.DataFrame) -> None:
    """Raise if the first block has no finite likelihood, which indicates a broken model."""
    if (table["unscored"] == NOT_FINITE).any() and not table["unscored"].isna().any():
        raise InputError(
            "the model gave no finite log-likelihood for any completion of the first block",
            expected="finite numbers",
            remedy="try dtype='float32', and check that the weights are complete",
            argument="dtype",
        )
