"""Records that other tools write, as records with the usual names: chats, lm-evaluation-harness, promptfoo."""

from collections.abc import Mapping, Sequence
from typing import Any

from simulacra.data.reading.columns import ALIASES, folded

__all__ = ["adapted"]

_TEXTS = frozenset(alias for tier in ALIASES["completion"] for alias in tier)


def adapted(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A record with the text, the question and the scores of a tool under their usual names; others as they are."""
    if "doc_id" in record and "resps" in record:
        return _of_harness(record)
    if "promptIdx" in record and "response" in record:
        return _of_promptfoo(record)
    if isinstance(record.get("messages"), list) and not any(folded(name) in _TEXTS for name in record):
        return _of_chat(record)
    return record


def _of_chat(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A chat: the last turn of the assistant is the completion, the user's turn before it the question."""
    turns = [turn for turn in record["messages"] if isinstance(turn, dict) and "role" in turn]
    places = [place for place, turn in enumerate(turns) if turn["role"] == "assistant"]
    if not places:
        return record
    before = turns[: places[-1]]
    asked = [_text(turn.get("content")) for turn in before if turn["role"] == "user"]
    system = [_text(turn.get("content")) for turn in before if turn["role"] in ("system", "developer")]
    own = {
        "question": asked[-1] if asked else None,
        "completion": _text(turns[places[-1]].get("content")),
        "system_prompt": system[0] if system else None,
        "turns": len(asked),
    }
    return {name: value for name, value in own.items() if name not in record} | {
        name: value for name, value in record.items() if name != "messages"
    }


def _text(content: Any) -> str | None:
    """The text of a turn, which may have several parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return None if content is None else str(content)


def _of_harness(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A line of ``samples_*.jsonl`` of lm-evaluation-harness: the filtered response, and a column per metric."""
    doc = record.get("doc")
    asked = doc.get("question", doc.get("query")) if isinstance(doc, dict) else None
    kept = ("doc", "arguments", "resps", "filtered_resps", "doc_hash", "prompt_hash", "target_hash", "doc_id")
    rest = {name: value for name, value in record.items() if name not in kept}
    answer = _first(record.get("filtered_resps")) or _first(record.get("resps"))
    return {"question_id": record["doc_id"], "question": asked, "completion": answer, **rest}


def _first(responses: Any) -> str | None:
    """The first text in nested lists; likelihoods of choices have none."""
    while isinstance(responses, Sequence) and not isinstance(responses, str) and responses:
        responses = responses[0]
    return responses if isinstance(responses, str) else None


def _of_promptfoo(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A result of promptfoo: the output of the response, the variables of the test, and the named scores."""
    response, provider = record["response"], record.get("provider")
    variables = record.get("vars") if isinstance(record.get("vars"), dict) else {}
    scores = record.get("namedScores") if isinstance(record.get("namedScores"), dict) else {}
    text = response.get("output") if isinstance(response, dict) else response
    own = {
        "question_id": record.get("testIdx"),
        "prompt_index": record["promptIdx"],
        "provider": provider.get("id") if isinstance(provider, dict) else provider,
        "completion": None if text is None else str(text),
        "score": record.get("score"),
        "success": record.get("success"),
    }
    return {**own, **(scores or {}), **{name: value for name, value in (variables or {}).items() if name not in own}}
