"""The page that plays a backward pass: graph, equations and numbers in one offline HTML file."""

from microgradnet.exploring.explorer import explore, page

__all__ = ["explore", "page"]
