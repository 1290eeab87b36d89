"""Formulas that take entries out of vectors, or put vectors together of entries."""

from __future__ import annotations

from collections.abc import Sequence

from microgradnet.lifting.forms import ATOM, SUM, Form, abridged, more
from microgradnet.lifting.formulas import Expr, Num, joint

__all__ = ["Index", "Place", "Repeated", "Rows", "Share", "Spread", "Stack"]


class Index(Expr):
    """Entries of a vector: a slice, or a constant vector of places, which code has by its name."""

    def __init__(self, vector: Expr, index: slice | str, size: int, shown: str) -> None:
        self.vector, self.index, self.shown = vector, index, shown
        self.batch, self.size = vector.batch, size

    def parts(self) -> Sequence[Expr]:
        """The vector."""
        return (self.vector,)

    def _write(self, form: Form) -> str:
        """Python's brackets, counted from 0; in a formula the entries' numbers from 1."""
        inner = self.vector.within(form, ATOM)
        if form == "code":
            where = (
                self.index
                if isinstance(self.index, str)
                else f"{self.index.start}:{self.index.stop}"
            )
            return f"{inner}[:, {where}]" if self.batch else f"{inner}[{where}]"
        return f"{inner}[{self.shown}]" if form == "text" else rf"{inner}_{{{self.shown}}}"


class Spread(Expr):
    """The same single entry n times, where as many are needed."""

    def __init__(self, single: Expr, size: int) -> None:
        self.single, self.batch, self.size = single, single.batch, size

    def parts(self) -> Sequence[Expr]:
        """The single entry."""
        return (self.single,)

    def opened(self, form: Form) -> Expr:
        """For reading the entry, for addition and the like spread it by themselves."""
        return self if form == "code" else self.single.opened(form)

    def _write(self, form: Form) -> str:
        inner = self.single.write(form)
        if isinstance(self.single, Num):
            return f"np.full({self.size}, {inner}, p.dtype)"
        return f"np.repeat({inner}, {self.size}, axis=-1)"


class Repeated(Expr):
    """The same for every example, where a formula like x⁰ has turned out not to depend on any."""

    batch = True

    def __init__(self, once: Expr, size: int) -> None:
        self.once, self.size = once, size

    def parts(self) -> Sequence[Expr]:
        """What is the same."""
        return (self.once,)

    def opened(self, form: Form) -> Expr:
        """For reading what is the same."""
        return self if form == "code" else self.once.opened(form)

    def _write(self, form: Form) -> str:
        return f"np.full((m, {self.size}), {self.once.write(form)}, p.dtype)"


class Rows(Expr):
    """Entries of a vector in R rows of K; each row will be reduced, or made a softmax of its own.

    As Python an array whose last axis runs along the rows.
    """

    def __init__(
        self, vector: Expr, index: str | None, rows: int, columns: int, shown: str = ""
    ) -> None:
        self.vector, self.index, self.rows, self.columns = vector, index, rows, columns
        self.shown = shown
        self.batch, self.size = vector.batch, rows * columns

    def parts(self) -> Sequence[Expr]:
        """The vector."""
        return (self.vector,)

    def _write(self, form: Form) -> str:
        """In code indexed; in a formula the vector, with the entries' numbers row by row."""
        inner = self.vector.within(form, ATOM)
        if form != "code":
            if not self.shown:
                return self.vector.write(form)
            return f"{inner}[{self.shown}]" if form == "text" else rf"{inner}_{{{self.shown}}}"
        lead = ":, " if self.batch else ""
        return f"{inner}[{lead}{'None' if self.index is None else self.index}]"


class Stack(Expr):
    """Operands side by side, along a last axis of their own."""

    def __init__(self, operands: Sequence[Expr]) -> None:
        self.operands = tuple(operands)
        self.batch, self.size = joint(self.operands)

    def parts(self) -> Sequence[Expr]:
        """The operands."""
        return self.operands

    def _write(self, form: Form) -> str:
        """In code stacked; in a formula one behind the other."""
        operands, hidden = abridged(self.operands, form)
        inner = [operand.write(form) for operand in operands]
        if form == "code":
            return f"stacked({', '.join(inner)})"
        if hidden:
            inner.insert(-1, more(hidden, form))
        return ", ".join(inner)


class Share(Expr):
    """One component of the softmax of operands."""

    def __init__(self, stack: Stack, k: int) -> None:
        self.stack, self.k, self.batch, self.size = stack, k, stack.batch, stack.size

    def parts(self) -> Sequence[Expr]:
        """The operands."""
        return (self.stack,)

    def _write(self, form: Form) -> str:
        """In code counted from 0, in a formula from 1."""
        inner = self.stack.write(form)
        if form == "code":
            return f"softmax({inner})[..., {self.k}]"
        if form == "text":
            return f"softmax({inner})[{self.k + 1}]"
        return rf"\operatorname{{softmax}}\left({inner}\right)_{{{self.k + 1}}}"


class Place(Expr):
    """A vector of n entries put together from pieces, each added in at its places; else 0."""

    def __init__(self, size: int, pieces: Sequence[tuple[slice | str, str, Expr]]) -> None:
        self.pieces, self.size = tuple(pieces), size
        self.batch = any(piece.batch for _, _, piece in pieces)

    def binds(self, form: Form) -> int:
        """In code it is a call, in a formula a sum."""
        return SUM if form != "code" and len(self.pieces) > 1 else ATOM

    def parts(self) -> Sequence[Expr]:
        """The pieces."""
        return tuple(piece for _, _, piece in self.pieces)

    def _write(self, form: Form) -> str:
        """In code a helper that adds the pieces in; in a formula the pieces with their places."""
        if form == "code":
            pieces = ", ".join(
                f"({_slice_code(index)}, {piece.write(form)})" for index, _, piece in self.pieces
            )
            shape = f"(m, {self.size})" if self.batch else f"({self.size},)"
            return f"placed({shape}, p.dtype, {pieces})"
        around = "[{} at {}]" if form == "text" else r"\left[{}\right]_{{{}}}"
        shown = [
            around.format(e.write(form), places) if places else e.write(form)
            for _, places, e in self.pieces
        ]
        return " + ".join(shown)


def _slice_code(index: slice | str) -> str:
    return index if isinstance(index, str) else f"slice({index.start}, {index.stop})"
