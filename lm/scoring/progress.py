"""A progress bar over completions, counted when all personas are scored, with rows and tokens per second."""

from simulacra.data.numerals import grouped

__all__ = ["Progress"]


class Progress:
    """A context in which it is called with the numbers of rows and tokens of every batch."""

    def __init__(self, rows: int, personas: int, *, shown: bool) -> None:
        from tqdm.auto import tqdm

        self._personas, self._done, self._tokens = personas, 0, 0
        self._bar = tqdm(total=rows, unit="row", desc="scoring", disable=not shown, dynamic_ncols=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def skip(self, rows: int) -> None:
        """Rows that an earlier run has scored; they do not count towards the speed."""
        self._bar.initial = self._bar.n = rows
        self._done = rows * self._personas

    def __call__(self, rows: int, tokens: int) -> None:
        """Count a batch."""
        self._done, self._tokens = self._done + rows, self._tokens + tokens
        seconds = self._bar.format_dict["elapsed"]
        self._bar.set_postfix_str(f"{grouped(self._tokens / max(seconds, 1e-9))} tokens/s", refresh=False)
        self._bar.update(self._done // self._personas - self._bar.n)
