"""What a found program computes in: the arrays that it keeps, as source text.

A vector of m examples is computed into an array that is there already. A number that NumPy would
have to make an array of at every call is one already, too: in small batches that takes longer than
the computation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from microgradnet.lifting.layout import INDENT, names, wrapped

__all__ = ["Workspace"]

_NUMBERS = {
    "zero": "np.array(0, kind)",
    "one": "np.array(1, kind)",
    "two": "np.array(2, kind)",
    "top": "np.array(np.floor(np.log(np.finfo(kind).max)))  # exp(top) is finite",
}


class Workspace:
    """The arrays asked for so far."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._ones: dict[str, str] = {}
        self._numbers: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._sizes

    def vector(self, name: str, size: int) -> str:
        """The name again, of an array for a vector of every example."""
        self._sizes[name] = size
        return name

    def number(self, name: str) -> str:
        """The name again, of one of the numbers that there are."""
        self._numbers.add(name)
        return name

    def ones(self, size: str = "") -> None:
        """Have `ones`, a 1 for each example; or `ones10`, a 1 for each of 10 entries.

        A sum is a product with these, which takes a fraction of the time.
        """
        self._ones[f"ones{size}"] = f"np.ones({size or 'm'}, kind)"

    @property
    def _names(self) -> list[str]:
        numbers = (name for name in _NUMBERS if name in self._numbers)
        return [*self._sizes, *self._ones, *numbers]

    def __bool__(self) -> bool:
        return bool(self._names)

    def definition(self) -> Iterator[str]:
        """The function that makes them."""
        if not self:
            return
        yield "def workspace(m, kind):"
        yield f'{INDENT}"""The arrays that m examples are computed in, and numbers as arrays."""'
        alike = defaultdict(list)
        for name, size in self._sizes.items():
            alike[size].append(name)
        for size, those in alike.items():
            if len(those) == 1:
                yield f"{INDENT}{those[0]} = np.empty((m, {size}), kind)"
            else:
                made = f"np.empty(({len(those)}, m, {size}), kind)"
                yield wrapped(f"{INDENT}{names(those)} = {made}")
        for name, made in self._ones.items():
            yield f"{INDENT}{name} = {made}"
        for name, made in _NUMBERS.items():
            if name in self._numbers:
                yield f"{INDENT}{name} = {made}"
        yield wrapped(f"{INDENT}return {names(self._names)}")
        yield from ("", "")

    def unpacking(self) -> Iterator[str]:
        """The line that gives them their names."""
        if self:
            yield wrapped(f"{INDENT}{names(self._names)} = work or workspace(m, p.dtype)")
