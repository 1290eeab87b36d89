"""The page that plays a backward pass: graph, equations and numbers in one offline HTML file."""

from typing import Any

from microgradnet.deprecation import warn_renamed
from microgradnet.exploring.document import Page
from microgradnet.exploring.explorer import explore

__all__ = ["Page", "explore"]


def page(cost: Any, forward_pass: Any = None, **options: Any) -> str:
    """Return the text of the page, as it was asked for."""
    warn_renamed("page(...)", "explore(...).html")
    return explore(cost, None, forward_pass, **options).html
