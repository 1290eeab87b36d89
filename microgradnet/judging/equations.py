"""Each equation of backpropagation, held against a function's own numbers.

Of one example ∂C/∂bˡ is δˡ, and so is what ∂C/∂Wˡ is a multiple of aˡ⁻¹ by: where the two disagree,
the one that continues the layer before is δˡ, and the other's equation is wrong.

A number is right within 2⁹ u of the largest of its array, u = 2⁻⁵³ or, for float32, 2⁻²⁴. The
networks drawn have at most four terms a sum and three layers, and weights of order 1: right
functions stay below a tenth of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from microgradnet.judging.findings import Finding
from microgradnet.judging.forms import Outcome
from microgradnet.judging.simulation import RIGHT, Array, Case, Convention, Simulation

__all__ = ["Compared", "compare", "equations", "worst"]


class Compared(NamedTuple):
    """A finding, and by how many times its difference exceeds what rounding can explain."""

    excess: float
    finding: Finding


def worst(compared: list[Compared]) -> list[Finding]:
    """Keep of each equation what is furthest off, the equations in the order of their names."""
    kept: dict[tuple[str, str], Compared] = {}
    for each in compared:
        key = each.finding.part, each.finding.of
        if key not in kept or each.excess > kept[key].excess:
            kept[key] = each
    return [kept[key].finding for key in sorted(kept)]


def compare(
    part: str, of: str, case: Case, layer: int, got: Array, want: Array, single: bool
) -> Compared:
    """Hold an array against what it should be."""
    examples = "" if case.single else f", {len(case.X)} examples"
    at = f"{case.name} network{examples}, layer {layer}"
    if got.shape != want.shape:
        shapes = f"shape {got.shape}", f"shape {want.shape}"
        return Compared(np.inf, Finding(part, of, "wrong", at, *shapes))
    difference = np.abs(got.astype(float) - want)
    difference = np.where(difference == difference, difference, np.inf)
    place = np.unravel_index(np.argmax(difference), got.shape)
    u = 2.0**-24 if single else 2.0**-53
    off, allowed = float(difference[place]), 2.0**9 * u * float(np.max(np.abs(want)))
    excess = off / allowed if allowed else np.inf * (off > 0) if off else 0.0
    entry = ", ".join(str(k + 1) for k in place)
    right = float(want[place])
    return Compared(
        excess,
        Finding(
            part, of, "wrong" if excess > 1 else "right", f"{at}, entry {entry}",
            str(float(got[place])), str(right), off / float(np.spacing(abs(right))),
        ),
    )  # fmt: skip


def equations(case: Case, outcome: Outcome, convention: Convention) -> Iterator[Compared]:
    """Hold BP1 to BP4 against what a function gave for one example, from the last layer on."""
    s = Simulation(case, convention, RIGHT)
    s.gradients()
    single = outcome.single_precision
    for l in range(case.depth, 0, -1):
        a = s.a[l - 1][0]
        want = s.delta[l] if l == case.depth else RIGHT.hidden_error(s, l)
        b, W = outcome.biases[l - 1], outcome.weights[l - 1]
        delta = _error(b, W, a, want[0], single)
        part, of = ("BP1", "δᴸ = C′(aᴸ) ⊙ σ′(zᴸ)") if l == case.depth else (
            "BP2", "δˡ = ((Wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ)")  # fmt: skip
        if delta is not None:
            yield compare(part, of, case, l, delta, want[0], single)
        known = want[0] if delta is None else delta
        yield compare("BP3", "∂C/∂bˡ = δˡ", case, l, b, known, single)
        yield compare("BP4", "∂C/∂Wˡ = δˡ (aˡ⁻¹)ᵀ", case, l, W, np.outer(known, a), single)
        s.delta[l] = known[np.newaxis]


def _error(b: Array, W: Array, a: Array, want: Array, single: bool) -> Array | None:
    """Find the function's own δˡ in its gradients: the one that is right, if one of them is."""
    close = 1e-4 if single else 1e-9
    found = [b] if b.shape == want.shape else []
    if W.shape == (*want.shape, *a.shape):
        from_weights = W @ a / (a @ a or 1)
        if _near(np.outer(from_weights, a), W, close):
            found.append(from_weights)
    right = [each for each in found if _near(each, want, close)]
    near = min(right, key=lambda each: float(np.max(np.abs(each - want))), default=None)
    return found[0] if near is None and found else near


def _near(array: Array, want: Array, close: float) -> bool:
    """Whether they differ by so little of the largest entry; never where there is a NaN."""
    return bool(np.max(np.abs(array - want)) <= close * np.max(np.abs(want)))
