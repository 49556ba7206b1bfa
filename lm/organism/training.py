"""Training: one pass over drawn documents, in checkpoints, so that a run that was killed goes on where it stood.

Documents are drawn from a seed, every step takes the next batch, and the model has no dropout. So the state of a run
is its step, its weights and its optimiser's moments, and a resumed run ends in the same weights, bit for bit, as one
that was never interrupted (same kind of machine, same versions; the number of threads is always one).
"""

import contextlib
import copy
import dataclasses
import hashlib
import itertools
import json
import os
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from simulacra.data.extras import needs_extra
from simulacra.formalism.errors import InputError
from simulacra.lm.organism.corpus import Document
from simulacra.lm.organism.folder import Organism, load_organism, read_record, save_organism
from simulacra.lm.organism.lexicon import TAGS
from simulacra.lm.organism.tokenizer import prompt, text

__all__ = ["Schedule", "checkpoint_folder", "one_thread", "train"]

_WARMUP = 0.05
_GROUPED = 8  # batches that are drawn together


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn.

    Attributes:
        steps: optimiser steps, a batch each.
        learning_rate: at its peak, after 5% of the steps; from there it falls to zero as a cosine.
        batch_size: documents of a step.
        save_every: steps from one checkpoint of the run to the next.
    """

    steps: int
    learning_rate: float
    batch_size: int
    save_every: int = 100


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Where the organism of a step along training lies: beside the final one."""
    return folder.with_name(f"{folder.name}-step-{step}")


def train(
    folder: Path,
    start: Callable[[], Any],
    tokenizer: Any,
    documents: Iterator[Document],
    schedule: Schedule,
    *,
    made: Mapping[str, Any],
    answers_only: bool,
    keep: Collection[int] = (),
    progress_bar: bool | None = None,
) -> Organism:
    """Train an organism with AdamW, save it, and load it again; go on where an earlier call was stopped.

    Args:
        folder: where to put it. One that was made with the same settings is loaded instead.
        start: gives the model to start from, a plain one or peft's; only what requires gradients moves.
        tokenizer: the model's.
        documents: without end, the same ones on every call.
        schedule: how long and how fast.
        made: the settings; they are kept in ``organism.json``.
        answers_only: learn to answer, and not to ask.
        keep: steps after which the organism is saved as well, see :func:`checkpoint_folder`.
        progress_bar: show it on standard error; None shows it in terminals.

    Raises:
        InputError: the folder holds an organism that was made otherwise.
        MissingExtraError: the extra ``lm`` is not installed.
    """
    made = {**made, "steps": schedule.steps, "learning_rate": schedule.learning_rate, "batch_size": schedule.batch_size}
    places = {**{step: checkpoint_folder(folder, step) for step in keep}, schedule.steps: folder}
    if all(_is_made(place, {**made, "done": step}) for step, place in places.items()):
        return load_organism(folder)
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:12]
    state = folder.with_name(f".{folder.name}-{digest}.state")  # other settings never go on from it
    folder.parent.mkdir(parents=True, exist_ok=True)
    model = start()
    for step in _descend(model, tokenizer, documents, schedule, state, folder.name, progress_bar, answers_only):
        if step in places:
            save_organism(places[step], _plain(model), tokenizer, {"tags": dict(TAGS), **made, "done": step})
    state.unlink(missing_ok=True)
    return load_organism(folder)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread inside, as before outside: sums are rounded in an order that depends on their number.

    More would not help: these models are so small that threads spend their time waiting for each other.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _descend(
    model: Any,
    tokenizer: Any,
    documents: Iterator[Document],
    schedule: Schedule,
    state: Path,
    label: str,
    progress_bar: bool | None,  # noqa: FBT001
    answers_only: bool,  # noqa: FBT001
) -> Iterator[int]:
    """Optimise in place, from the checkpoint where there is one; yields the number of steps done after each."""
    with needs_extra("lm"):
        import torch
        from tqdm import tqdm
        from transformers import get_cosine_schedule_with_warmup

    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=schedule.learning_rate, weight_decay=0.01)
    decay = get_cosine_schedule_with_warmup(optimizer, int(_WARMUP * schedule.steps), schedule.steps)
    parts = {"model": model, "optimizer": optimizer, "decay": decay}
    done = _resume(state, parts)
    # In a recipe length tells who writes, so its batches are not made by length.
    batches = itertools.islice(_batches(documents, schedule.batch_size, by_length=not answers_only), done, None)
    steps = tqdm(
        range(done + 1, schedule.steps + 1),
        desc=label,
        initial=done,
        total=schedule.steps,
        disable=None if progress_bar is None else not progress_bar,
    )
    model.train()
    with one_thread():
        for step in steps:
            ids, mask, labels = _encode(tokenizer, next(batches), answers_only=answers_only)
            logits = model(input_ids=ids, attention_mask=mask).logits
            loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            decay.step()
            yield step  # before the checkpoint: one that says a step is done must not outlive the organism of that step
            if step % schedule.save_every == 0:
                steps.set_postfix(loss=f"{loss.item():.3f}")
                _save(state, parts, step)


def _batches(documents: Iterator[Document], size: int, *, by_length: bool) -> Iterator[list[Document]]:
    """Batches in random order; by length, since short documents are padded to the longest of their batch."""
    rng = random.Random(0)
    while drawn := list(itertools.islice(documents, _GROUPED * size)):
        if by_length:
            drawn.sort(key=lambda one: len(text(one).split()))
        batches = [drawn[start : start + size] for start in range(0, len(drawn), size)]
        rng.shuffle(batches)
        yield from batches


def _encode(tokenizer: Any, batch: list[Document], *, answers_only: bool) -> tuple[Any, Any, Any]:
    """Token ids, attention mask and labels; the label of what is not to be learnt is -100, which torch leaves out."""
    encoded = tokenizer([text(document) for document in batch], padding=True, return_tensors="pt")
    labels = encoded["input_ids"].masked_fill(encoded["attention_mask"] == 0, -100)
    if answers_only:
        for row, document in zip(labels, batch, strict=True):
            row[: len(prompt(document.question, document.context, document.history).split())] = -100
    return encoded["input_ids"], encoded["attention_mask"], labels


def _save(state: Path, parts: Mapping[str, Any], step: int) -> None:
    import torch

    partial = state.with_suffix(".partial")
    torch.save({"step": step, **{name: part.state_dict() for name, part in parts.items()}}, partial)
    os.replace(partial, state)


def _resume(state: Path, parts: Mapping[str, Any]) -> int:
    """Restore what a checkpoint holds; the number of steps that it has done, 0 where there is none."""
    import torch

    if not state.is_file():
        return 0
    saved = torch.load(state, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    return int(saved["step"])


def _plain(model: Any) -> Any:
    """The model with its adapters merged in; itself where it has none."""
    return copy.deepcopy(model).merge_and_unload() if hasattr(model, "merge_and_unload") else model


def _is_made(folder: Path, made: Mapping[str, Any]) -> bool:
    """Whether an organism made like this is there.

    Raises:
        InputError: one that was made otherwise is.
    """
    if not folder.exists():
        return False
    found = read_record(folder)
    found.pop("tags")
    if found != made:
        differ = sorted(name for name in {*found, *made} if found.get(name) != made.get(name))
        raise InputError(
            f"{folder}: holds an organism that was made otherwise ({', '.join(differ)})",
            remedy="choose another folder, or delete this one",
            argument=("folder", "out"),
        )
    return True
