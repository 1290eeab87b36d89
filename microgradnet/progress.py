"""How far long work is: a bar on standard error, or a function of the caller's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

__all__ = ["Advance", "Progress", "progress_bar"]

Progress: TypeAlias = bool | Callable[[int, int], object]
"""True for a bar where standard error is a terminal, False for none; or progress(done, total)."""

Advance: TypeAlias = Callable[..., object]
"""advance(n, description): n more are done; description() is the text before the bar."""


@contextmanager
def progress_bar(progress: Progress, total: int, title: str) -> Iterator[Advance]:
    """Yield the function that counts what is done of the total; the bar goes at the end.

    >>> with progress_bar(lambda done, total: print(f"{done} of {total}"), 3, "work") as advance:
    ...     advance(2)
    2 of 3
    """
    if callable(progress):
        done = 0

        def advance(n: int, description: Any = None) -> None:
            nonlocal done
            done += n
            progress(done, total)

        yield advance
    elif not (progress and sys.stderr is not None and sys.stderr.isatty()):
        yield lambda n, description=None: None
    else:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total)
            yield lambda n, description=lambda: title: bar.update(
                task, advance=n, description=description()
            )
