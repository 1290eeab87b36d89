"""From DOT to a picture, by the renderer that pip installs or by the system's Graphviz.

The embedded renderer is the program of the package graphviz-pure; it writes SVG and bitmaps. The
system's `dot` is used where it is asked for, where a format needs it (PDF, PostScript), and on
machines for which the embedded one is not made.
"""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from xml.etree import ElementTree

__all__ = ["EMBEDDED_FORMATS", "FORMATS", "RENDERERS", "RenderError", "inline", "render", "svg"]

EMBEDDED_FORMATS = ("svg", "png", "jpg", "jpeg", "gv", "dot", "xdot", "json", "plain")
FORMATS = (*EMBEDDED_FORMATS, "pdf", "ps", "eps", "gif", "webp")
RENDERERS = ("auto", "embedded", "dot")
"""auto: the embedded one where it can, else the system's dot."""

_BITMAPS = ("png", "jpg", "jpeg", "gif", "webp")
_NOT_IN_ITS_TYPEFACE = str.maketrans("⊙∘", "◦◦")
"""The embedded renderer draws bitmaps with a typeface of its own. It has no ⊙, but ◦, which means
the Hadamard product too; in an SVG the reader's typefaces are used, and ⊙ stays."""
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"


class RenderError(RuntimeError):
    """Say that there is no renderer, or that it failed, and what to do."""


def render(source: str, format: str = "svg", renderer: str = "auto", timeout: float = 60) -> bytes:
    r"""Render a DOT text in a format, as bytes.

    SVG comes as in `svg`. Raises ValueError for an unknown format or renderer, and RenderError
    where no renderer is there for it, or it fails or takes longer than the timeout, in seconds.

    >>> render("digraph { a -> b }", "png")[:4]
    b'\x89PNG'
    """
    program = _program(format, renderer)
    command = [program, f"-T{format}"]
    if format in _BITMAPS and program == _embedded():
        source = source.translate(_NOT_IN_ITS_TYPEFACE)
    if format in _BITMAPS:  # sharp on today's screens, but never too large for a viewer
        command += ["-Gdpi=192", "-Gsize=30,30"]
    try:
        done = subprocess.run(
            command, input=source.encode("utf-8"), capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise RenderError(
            f"the layout took longer than {timeout:g} seconds: draw fewer nodes, "
            "as zoom='neuron' or zoom='layer' do"
        ) from None
    except OSError as error:
        raise RenderError(f"{program} does not run: {error}") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode("utf-8", "replace").strip() or "it wrote nothing"
        raise RenderError(f"{program} failed: {said}")
    return _finished(done.stdout) if format == "svg" else done.stdout


def svg(source: str, renderer: str = "auto", timeout: float = 60) -> str:
    """Render a DOT text as SVG, an XML document.

    Each node, edge and cluster is a group with the id and class that the DOT gave it, and a title
    that holds its tooltip; the whole has a title and a description, the first line of the graph's
    tooltip and all of it.

    >>> svg('digraph { a [id=first tooltip="the first"] }').count("<title>the first</title>")
    1
    """
    return render(source, "svg", renderer, timeout).decode("utf-8")


def inline(picture: str) -> str:
    """Make an SVG document an element of a page, as wide as there is room, up to its own width.

    >>> inline(svg("digraph { a }"))[:4]
    '<svg'
    """
    root = ElementTree.fromstring(picture)
    width = root.attrib.pop("width")
    root.attrib.pop("height")
    root.set("width", "100%")
    least = float(width.removesuffix("pt")) / 2  # smaller it cannot be read: the page may scroll
    root.set("style", f"max-width:{width};min-width:{least:g}pt;height:auto")
    return ElementTree.tostring(root, encoding="unicode")


def _program(format: str, renderer: str) -> str:
    """Choose the program that writes this format."""
    if format not in FORMATS:
        raise ValueError(f"no format {format!r}: there are {', '.join(FORMATS)}")
    if renderer not in RENDERERS:
        raise ValueError(f"no renderer {renderer!r}: there are {', '.join(RENDERERS)}")
    embedded, system = _embedded(), shutil.which("dot")
    if renderer != "dot" and embedded and format in EMBEDDED_FORMATS:
        return embedded
    if renderer != "embedded" and system:
        return system
    if renderer != "dot" and embedded:
        raise RenderError(
            f"the embedded renderer writes {', '.join(EMBEDDED_FORMATS[:3])}, not {format}: "
            "install Graphviz (https://graphviz.org/download) for it"
        )
    if renderer == "dot":
        raise RenderError(
            "there is no program dot: install Graphviz (https://graphviz.org/download), "
            "or leave renderer='dot' out"
        )
    raise RenderError(
        "nothing here can lay out a graph: pip install graphviz-pure, or install Graphviz "
        "(https://graphviz.org/download)"
    )


@lru_cache
def _embedded() -> str | None:
    """Find the embedded renderer's program, through its package and not through PATH."""
    try:
        files = distribution("graphviz-pure").files or []
    except PackageNotFoundError:
        return None
    for file in files:
        if file.stem == "graphviz-pure" and file.suffix in ("", ".exe"):
            return str(file.locate())
    return None


def _finished(picture: bytes) -> bytes:
    """Give Graphviz's SVG titles that a person can read, and take out its empty links."""
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(picture)
    description = ""
    for group in root.iter(f"{{{_SVG}}}g"):
        title = _unlinked(group)
        if group.get("class") == "graph":
            description = title
    for text in root.iter(f"{{{_SVG}}}text"):
        text.set("font-family", "Helvetica, Arial, sans-serif")
    root.set("role", "graphics-document document")
    texts = {"title": description.split("\n")[0], "desc": description}
    for place, (tag, content) in enumerate(texts.items()):
        element = ElementTree.Element(f"{{{_SVG}}}{tag}")
        element.text = content
        root.insert(place, element)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _unlinked(group: ElementTree.Element) -> str:
    """Make the tooltip of a group its title, and take out the link that Graphviz hangs it on."""
    title = group.find(f"{{{_SVG}}}title")
    tip = ""
    for place, inner in enumerate(list(group)):
        link = inner.find(f"{{{_SVG}}}a") if inner.tag == f"{{{_SVG}}}g" else None
        if link is None:
            continue
        tip = link.get(f"{{{_XLINK}}}title", "")
        group.remove(inner)
        for offset, shape in enumerate(list(link)):
            group.insert(place + offset, shape)
    if title is not None and tip:
        title.text = tip
    return tip
