"""The picture that `draw` returns: a graphviz.Digraph that needs no Graphviz on the machine."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import graphviz

from microgradnet.drawing.rendering import FORMATS, inline, render

__all__ = ["Picture"]

_SOURCE = ("gv", "dot")


class Picture(graphviz.Digraph):  # type: ignore[misc]  # graphviz tells no types
    """Hold a computation graph as DOT text, which shows itself in a notebook and saves itself.

    source  the DOT text
    zoom    the zoom that was drawn: scalar, neuron or layer

    What a graphviz.Digraph can do besides (pipe, render, view, node, edge ...) it can do too.
    """

    def __init__(
        self, source: str, *, zoom: str, format: str = "svg", renderer: str = "auto"
    ) -> None:
        super().__init__(format=format, body=[f"{line}\n" for line in source.split("\n")[1:-2]])
        self.zoom = zoom
        self._chosen = renderer  # Digraph's own `renderer` is another thing: a part of dot

    def __repr__(self) -> str:
        return f"<Picture, {self.zoom} zoom: .save('graph.svg') writes it, .source is its DOT>"

    def svg(self) -> str:
        """Render the picture as SVG, an XML document."""
        return render(self.source, "svg", self._chosen).decode("utf-8")

    def save(self, filename: str | PathLike[str] | None = None, *args: Any, **options: Any) -> str:
        """Write the picture to a file, in the format that its suffix names, and return the path.

        .gv and .dot are the text itself. Raises ValueError for an unknown suffix, and OSError
        where the file cannot be written.
        """
        if filename is None or args or options:  # Digraph's own, which its render calls
            return str(super().save(filename, *args, **options))
        path = Path(filename)
        suffix = path.suffix[1:].lower()
        if suffix in _SOURCE:
            content = self.source.encode("utf-8")
        elif suffix in FORMATS:
            content = render(self.source, suffix, self._chosen)
        else:
            raise ValueError(
                f"{fspath(filename)!r} ends in no format: it should be one of "
                f"{', '.join(f'.{known}' for known in FORMATS)}"
            )
        path.write_bytes(content)
        return fspath(filename)

    def copy(self) -> Picture:
        """Make a picture of its own with the same text."""
        return Picture(self.source, zoom=self.zoom, format=self.format, renderer=self._chosen)

    # Digraph's ways to the renderer. What only the system's Graphviz knows goes there.

    def pipe(self, format: str | None = None, *args: Any, **options: Any) -> Any:
        """Render the picture as bytes, or as text where an encoding is given, as of any Digraph."""
        encoding = options.pop("encoding", None)
        if args or any(value not in (None, False) for value in options.values()):
            return super().pipe(format, *args, encoding=encoding, **options)
        picture = render(self.source, format or self.format, self._chosen)
        return picture if encoding is None else picture.decode(encoding)

    def _render(
        self, engine: str, format: str, filepath: Any, *, outfile: Any = None, **options: Any
    ) -> str:
        if engine != "dot" or options.get("renderer") or options.get("formatter"):
            return str(graphviz.render(engine, format, filepath, outfile=outfile, **options))
        target = Path(outfile if outfile is not None else f"{fspath(filepath)}.{format}")
        if options.get("raise_if_result_exists") and target.exists():
            raise graphviz.FileExistsError(f"output file exists: {fspath(target)!r}")
        target.write_bytes(self.pipe(format))
        return fspath(target)

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, **_: Any
    ) -> dict[str, Any]:
        """Show the SVG as part of a notebook's page. Never an error: text, at worst."""
        wanted = set(include or ("text/html", "image/svg+xml", "text/plain")) - set(exclude or ())
        try:
            picture = self.svg()
            bundle: dict[str, Any] = {
                "text/html": f'<div style="overflow-x:auto">{inline(picture)}</div>',
                "image/svg+xml": picture,
            }
            if "image/png" in wanted:
                bundle["image/png"] = self.pipe("png")
        except Exception as error:
            bundle = {"text/html": f"<pre>{escape(str(error))}\n\n{escape(self.source)}</pre>"}
            return bundle | {"text/plain": f"{error}\n\n{self.source}"}
        bundle["text/plain"] = repr(self)
        return {kind: bundle[kind] for kind in bundle if kind in wanted}
