"""Names that a user gives: those that do not exist are refused, with a similar one that does."""

import difflib
from collections.abc import Iterable, Sequence

from simulacra.formalism.errors import InputError

__all__ = ["refuse_unknown"]


def refuse_unknown(given: Iterable[str], known: Sequence[str], where: str, argument: str) -> None:
    """Refuse a name that is not known, and suggest a similar one.

    Raises:
        InputError: a name that is not known.
    """
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            raise InputError(
                f"{where}: there is no {name!r}",
                expected=f"names among {', '.join(known)}" if known else "none, since it shows no names",
                remedy=f"did you mean {near[0]!r}?" if near else None,
                argument=argument,
            )
