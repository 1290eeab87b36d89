"""The page as one file: template, style and script put together, and its policy.

The policy of the page allows its own style and script, by their hashes, and nothing else.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from microgradnet.notation import printable

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["bundle", "render"]

_SCRIPTS = (
    "dom", "numbers", "notation", "operations", "graph", "playback", "words", "camera", "picture",
    "equations", "panels", "main",
)  # fmt: skip
"""The page's modules, each behind those that it imports."""


def render(data: object, rules: str, **context: Any) -> str:
    """Write the page: data and rules for its script, the context for its template."""
    from markupsafe import Markup

    style, script = _source("style.css"), rules + bundle()
    text = _template().render(
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=Markup(_json(data)),
        **context,
    )
    return printable(text)


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("microgradnet.exploring", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")


def _source(name: str) -> str:
    return (files("microgradnet.exploring") / "page" / name).read_text(encoding="utf-8")


def bundle() -> str:
    """Join the modules, without their imports of each other and the word export."""
    script = "\n".join(_source(f"{name}.js") for name in _SCRIPTS)
    script = re.sub(r"^import\b[^;]*;\n", "", script, flags=re.MULTILINE)
    return re.sub(r"^export ", "", script, flags=re.MULTILINE)


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _json(data: object) -> str:
    """Write JSON that can stand within a script element, whatever the labels in it say."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
