"""The page that `explore` returns: it writes itself to a file and shows itself in a notebook."""

from __future__ import annotations

from html import escape
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from microgradnet.deprecation import warn_renamed

__all__ = ["Page"]

_UNSAVED = "this page is in no file yet: .save('page.html') writes it"


class Page:
    """Hold a page that plays a forward and a backward pass.

    html   the HTML document, whole
    title  its heading
    path   the file that was written last; None before
    """

    def __init__(self, html: str, title: str, path: str | PathLike[str] | None = None) -> None:
        self.html = html
        self.title = title
        self.path: Path | None = None
        if path is not None:
            self.save(path)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the page to a file; its path. Raises OSError where it cannot be written."""
        self.path = Path(path)
        self.path.write_text(self.html, encoding="utf-8")
        return self.path

    def __repr__(self) -> str:
        return f"<Page {self.title!r}: .save('page.html') writes it>"

    def _repr_html_(self) -> str:
        """Show the page in a frame of its own, which the notebook's other scripts cannot reach."""
        return (
            f'<iframe title="{escape(self.title)}" sandbox="allow-scripts" loading="lazy" '
            f'style="width:100%;height:48rem;border:0" srcdoc="{escape(self.html)}"></iframe>'
        )

    # `explore` returned the path that it had written to.

    def __fspath__(self) -> str:
        if self.path is None:
            raise TypeError(_UNSAVED)
        return fspath(self._written("os.fspath(explore(...))", "explore(...).path"))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(Path, name):
            raise AttributeError(f"a Page has no attribute {name!r}")
        return getattr(self._written(f"explore(...).{name}", f"explore(...).path.{name}"), name)

    def _written(self, old: str, new: str) -> Path:
        if self.path is None:
            raise AttributeError(_UNSAVED)
        warn_renamed(old, new, stacklevel=4)
        return self.path
