"""Secrets in the arguments of a model or task: replaced before they reach a table, an account or a report."""

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["REDACTED", "redacted"]

REDACTED = "[redacted]"
"""What stands in place of a secret."""

_KEYS = re.compile(
    r"(?:^|[_.\-\s])(?:api[_\-]?key|key|token|secret|password|passwd|pwd|auth|authorization|bearer|cookie|credentials?|"
    r"signature|sig|session[_\-]?id)$|apikey|secret|password|authorization|private[_\-]?key|access[_\-]?key|cookie",
    re.IGNORECASE,
)
_HEADERS = re.compile(r"headers$", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_IN_TEXT = (
    (re.compile(r"(\b[a-z][a-z0-9+.\-]*://)[^/\s?#@]+@", re.IGNORECASE), rf"\g<1>{REDACTED}@"),  # user:password@host
    (re.compile(r"([?&#;][^=&#;\s]*=)([^&#;\s]+)"), ""),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=\-]{6,}", re.IGNORECASE), rf"\g<1> {REDACTED}"),
    (
        re.compile(
            r"\b(?:sk|pk|rk|gsk|xai|hf|ghp|gho|ghs|github_pat|glpat|xox[abps]|r8|pplx|AKIA|ASIA|AIza|ya29)[\-_.]?"
            r"[A-Za-z0-9_\-.]{12,}|\beyJ[\w\-]+\.[\w\-]+\.[\w\-]*"
        ),
        REDACTED,
    ),
)


def redacted(value: Any, name: str = "") -> Any:
    """A value of any JSON type without secrets: whatever is named like one, is a header, or looks like a key.

    URLs lose their passwords, and the values of parameters that are named like secrets.

    Args:
        value: text, a number, a list or a mapping.
        name: its name.
    """
    if isinstance(value, Mapping):
        every = bool(_HEADERS.search(name))
        return {key: REDACTED if every else redacted(own, str(key)) for key, own in value.items()}
    if _is_secret(name) and value not in (None, "") and not isinstance(value, (bool, int, float)):
        return REDACTED
    if isinstance(value, (list, tuple)):
        return [redacted(own, name) for own in value]
    return _without_secrets(value) if isinstance(value, str) else value


def _is_secret(name: str) -> bool:
    return bool(_KEYS.search(_CAMEL.sub("_", name)))


def _without_secrets(text: str) -> str:
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement or _parameter, text)
    return text


def _parameter(found: re.Match[str]) -> str:
    return f"{found[1]}{REDACTED}" if _is_secret(found[1].strip("?&#;=")) else found[0]
