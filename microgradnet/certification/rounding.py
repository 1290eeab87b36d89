"""Computes a graph in enclosures, with more digits until the rounding of each number is certain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from microgradnet import ops
from microgradnet.arithmetic import Number, evaluate, ieee
from microgradnet.backpropagation import backpropagate
from microgradnet.certification.certificate import Certificate, Numbers, Uncertain
from microgradnet.certification.enclosures import EnclosureArithmetic
from microgradnet.certification.passes import Graph, Passes, Trouble
from microgradnet.engine import UNSET, Value, is_unset

__all__ = ["certify"]

_FLOAT_BITS = 53
_FIRST_BITS, _MOST_BITS = 2 * _FLOAT_BITS, 128 * _FLOAT_BITS
_LIBRARIES = ("python-flint", "mpmath")


def certify(
    cost: Value,
    *,
    write_grad: bool = False,
    bits: int = _MOST_BITS,
    library: str | None = None,
) -> Certificate:
    """Prove of every number and gradient below a cost which float is nearest to the true one.

    cost        the Value whose `backward` would be called
    write_grad  True for what `backward` does, but with the nearest floats: leaves add them to the
                .grad they have, interior nodes get them. Where none is certain it is backward's own
    bits        the most bits to compute with; each round takes twice as many as the one before
    library     "python-flint" or "mpmath"; without it, the first of the two that is installed

    The true numbers are those of real arithmetic. The leaves are taken as they are, and so are the
    constants of operations: floats, ints, Fractions, Decimals and mpf are exact. Kinks have the
    derivatives that the operations state. A number is left open, and the certificate says why,
    where a kink, a pole or a leaf that is not finite is in the way, where an operation does not
    compute with enclosures, or where the bits do not suffice. A number beyond the largest float
    rounds to infinity, as IEEE 754 has it.

    A gradient of `backward(create_graph=True)` is certified as the graph that it is, in which
    constants such as π have become floats.

    Raises TypeError where the cost is no Value, or a leaf a formula, and ImportError where there is
    no library. The precision of both libraries is a setting of the whole process: threads must not
    certify at the same time.

    >>> x = Value(0.1)
    >>> y = 3 * x * x - x
    >>> certificate = certify(y)
    >>> y.backward()
    >>> x.grad, certificate.gradients[x], certificate.gradients.ulps(x)
    (-0.3999999999999999, -0.39999999999999997, 1.0)
    """
    if not isinstance(cost, Value):
        several = isinstance(cost, (list, tuple)) and any(isinstance(x, Value) for x in cost)
        way_out = ": certify each, or their sum" if several else ": give the node of the cost"
        raise TypeError(f"certify takes a Value, not {cost!r:.60}{way_out}")
    if bits < _FIRST_BITS:
        raise ValueError(f"bits must be at least {_FIRST_BITS}, twice a float's, not {bits}")
    m = _arithmetic(library)
    graph = Graph(cost)
    floats = [ieee.convert(node.data) for node in graph.order]
    gradients = _float_gradients(cost, graph.order)
    precision = _FIRST_BITS
    while True:
        values, slopes, more_help = _enclosed(graph, m, precision)
        if not more_help or 2 * precision > bits:
            break
        precision *= 2
    places = graph.places
    certificate = Certificate(
        nodes=graph.order,
        values=Numbers(graph.order, floats, *values, places),
        gradients=Numbers(graph.order, list(map(ieee.convert, gradients)), *slopes, places),
        bits=precision,
        library=m.library,
    )
    if write_grad:
        _write(graph.order, gradients, certificate.gradients.nearest)
    return certificate


_Rounded: TypeAlias = "tuple[list[float | None], dict[int, Uncertain]]"


def _enclosed(graph: Graph, m: EnclosureArithmetic, bits: int) -> tuple[_Rounded, _Rounded, bool]:
    """Compute with that many bits: values, gradients, and whether more bits could help."""
    with m.precision(bits):
        passes = Passes(graph, m)
        values = m.nearest(passes.values)
        zero = m.exact(0)
        slopes = m.nearest(zero if ball is None else ball for ball in passes.adjoints)
        if None not in values and None not in slopes:
            return (values, {}), (slopes, {}), False
        spent = Trouble(f"{bits} bits do not suffice", lasting=False)
        open_: list[dict[int, Uncertain]] = []
        more_help = False
        for nearest, balls, troubles in zip(
            (values, slopes), (passes.values, passes.adjoints), passes.troubles(), strict=True
        ):
            uncertain = {}
            for k, number in enumerate(nearest):
                if number is None:
                    trouble = troubles.get(k, spent)
                    more_help = more_help or not trouble.lasting
                    uncertain[k] = Uncertain(*m.bounds(balls[k]), trouble.reason)
            open_.append(uncertain)
    return (values, open_[0]), (slopes, open_[1]), more_help


def _arithmetic(library: str | None) -> EnclosureArithmetic:
    """Find the arithmetic of a library, or of the first that is installed."""
    if library not in (None, *_LIBRARIES):
        raise ValueError(f"library must be {' or '.join(_LIBRARIES)}, not {library!r}")
    if library != "mpmath":
        try:
            from microgradnet.certification.balls import balls
        except ImportError:
            if library is not None:
                raise ImportError(_MISSING) from None
        else:
            return balls
    try:
        from microgradnet.certification.intervals import intervals
    except ImportError:
        raise ImportError(_MISSING) from None
    return intervals


_MISSING = (
    "certify computes with the balls of python-flint: pip install 'microgradnet[certify]'. "
    "Where that cannot be, pip install mpmath: its numbers do, slowly"
)


def _float_gradients(cost: Value, order: Sequence[Any]) -> list[Number]:
    """Return what `backward` computes; every node keeps the gradient it has."""
    before = [node.grad for node in order]
    try:
        for node in order:
            node.grad = UNSET
        backpropagate(cost, 1.0 if type(cost.data) is float else 1)
        return [node.grad for node in order]
    finally:
        for node, grad in zip(order, before, strict=True):
            node.grad = grad


def _write(order: Sequence[Any], floats: Sequence[Number], nearest: Sequence[float | None]) -> None:
    """Write the gradients as `backward` does, each float where possible the nearest one."""
    grads = []
    for node, number, best in zip(order, floats, nearest, strict=True):
        grad = best if type(number) is float and best is not None else number
        add = node.op is None and not is_unset(node.grad)
        grads.append(evaluate(ops.add.forward, node.grad, grad) if add else grad)
    for node, grad in zip(order, grads, strict=True):
        node.grad = grad
