"""Where the first NaN or infinity came from."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import add
from traceback import FrameSummary
from typing import Any

from microgradnet import chain_rule, wide_passes
from microgradnet.arithmetic import NO_PART, Number, common, is_finite, parts
from microgradnet.engine import Value
from microgradnet.frames import users_frame
from microgradnet.graph import topological_order
from microgradnet.notation import described
from microgradnet.numerals import full_numeral
from microgradnet.operation import Operation
from microgradnet.recording import hooked

__all__ = ["AnomalyError", "detect_anomaly"]


class AnomalyError(ArithmeticError):
    """Name the node whose number or gradient became NaN or infinite: `draw` marks it."""

    node: Value
    """The node whose number, gradient or derivative it is."""
    roots: Sequence[Value]
    """What the backward pass began at; forward, the node alone."""


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Raise AnomalyError at the first NaN or infinity within the block, forward and backward.

    Tangents in forward mode, as of `jvp` and `hessian`, are judged too. The error names the
    operation, its operands with their numbers, and the line of your program that applied it: so
    the infinity is found where it arose, and not where the loss is NaN at last.
    Lines are kept only of what is computed within the block, in this thread or task. A leaf may
    hold an infinity: the first operation on it is named. It takes time: for the search.

    >>> from microgradnet import Value
    >>> x = Value(0.0, label="x")
    >>> with detect_anomaly():  # doctest: +ELLIPSIS
    ...     y = x.sqrt()
    ...     y.backward()
    Traceback (most recent call last):
        ...
    microgradnet.anomaly.AnomalyError: ∂C/∂x is ∞ after the backward pass through sqrt,
      sqrt(x), x = 0.0
    whose own gradient was 1.0; it was computed in
      <doctest ...>, line 2, in <module>: y = x.sqrt()

    `draw` takes the error, and marks in its graph the node whose number or gradient it is:

    >>> from microgradnet import draw
    >>> try:
    ...     with detect_anomaly():
    ...         (3 * x.sqrt()).backward()
    ... except AnomalyError as error:
    ...     picture = draw(error)
    >>> "‼ x = 0" in picture.source
    True
    """
    with hooked(_Detector()):
        yield


class _Detector:
    def __init__(self) -> None:
        # By id, so that the table keeps no graph alive; a node that comes to an old one's place
        # overwrites it, and is told from one that has not been here by its operation and number.
        self._lines: dict[int, tuple[Operation, Number, FrameSummary]] = {}

    def on_op(self, node: Value, op: Operation, operands: Sequence[Value]) -> None:
        line, in_a_rule = _users_line()
        self._lines[id(node)] = (op, node.data, line)
        # A rule may compute an infinity and choose the other branch; what comes of it is judged.
        if in_a_rule or is_finite(node.data):
            return
        entered = [x for x in operands if x.op is None and not is_finite(x.data)]
        raise _error(
            node,
            f"{full_numeral(node.data)} is the result of {op.name},\n  {described(op, operands)}\n"
            + (f"into which {full_numeral(entered[0].data)} came as a leaf; " if entered else "")
            + f"it was computed {_at(line)}",
        )

    def on_backward(self, root: Value) -> None:
        order = topological_order([root])
        self.on_vjp({root: common(root.data).convert(1)}, order, set(order))

    def on_vjp(
        self, seeds: Mapping[Value, Number], order: Sequence[Value], within: Container[Value]
    ) -> None:
        """Try the backward pass before it is run: no gradient is changed yet."""

        def judge(
            y: Value, k: int, x: Value, term: Number, adjoints: Mapping[Value, Number]
        ) -> None:
            if term is NO_PART or is_finite(adjoints[x]):
                return
            op: Any = y.op
            term = reduce(add, parts(term))
            summed = f" (of which {full_numeral(term)} from there)" if is_finite(term) else ""
            raise _error(
                x,
                f"∂C/∂{x.label or f'(operand {k + 1})'} is {full_numeral(adjoints[x])}{summed} "
                f"after the backward pass through {op.name},\n"
                f"  {described(op, y.parents, y.label)}\n"
                f"whose own gradient was {full_numeral(adjoints[y])}; "
                f"it was computed {self._where(y)}",
                [*seeds],
            )

        try:
            chain_rule.reverse_mode(seeds, order, within, visit=judge)
        except AnomalyError:
            raise
        except Exception:
            return  # the pass itself will raise it

    def on_jvp(self, node: Value, tangent: Number) -> None:
        op: Any = node.op
        if not is_finite(tangent):
            raise _error(
                node,
                f"in forward mode the derivative of {op.name} is {full_numeral(tangent)},\n"
                f"  {described(op, node.parents, node.label)}\n"
                f"it was computed {self._where(node)}",
            )

    def _where(self, node: Value) -> str:
        op, data, line = self._lines.get(id(node), (None, None, None))
        if line is None or op is not node.op or data is not node.data:
            return "before detect_anomaly began"
        return _at(line)


def _error(node: Value, message: str, roots: Sequence[Value] = ()) -> AnomalyError:
    error = AnomalyError(message)
    error.node = node
    error.roots = roots or [node]
    return error


def _at(line: FrameSummary) -> str:
    text = f": {line.line}" if line.line else ""
    return f"in\n  {line.filename}, line {line.lineno}, in {line.name}{text}"


def _users_line() -> tuple[FrameSummary, bool]:
    """Return the line of the user's program, and whether a rule is run on its behalf."""
    frame, files = users_frame()
    code = frame.f_code
    line = FrameSummary(code.co_filename, frame.f_lineno, code.co_name, lookup_line=False)
    return line, not files.isdisjoint((chain_rule.__file__, wide_passes.__file__))
