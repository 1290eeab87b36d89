"""From the mistakes that predict a function's numbers, what is said of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from microgradnet.judging.findings import Diagnosis
from microgradnet.judging.prediction import Explanation, Model, Observation, Prediction, predict
from microgradnet.judging.simulation import Case
from microgradnet.notation import indexed, superscript
from microgradnet.numerals import numeral

__all__ = ["diagnoses"]


def diagnoses(
    explained: Sequence[Explanation], observed: Sequence[Observation], *, step: bool
) -> list[Diagnosis]:
    """Name the mistakes of the first explanation, each with a number that shows it.

    Where other mistakes predict the same numbers, the evidence names them.
    """
    if not explained:
        return []
    first = explained[0]
    texts = [" and ".join(f"“{m.mistake.title}”" for m in each.models) for each in explained]
    same = [text for text in dict.fromkeys(texts) if text != texts[0]][:_OTHERS]
    also = f" The same numbers come from {', or from '.join(same)}." if same else ""
    found = []
    for model in first.models:
        where, evidence = _evidence(first, model, [o.case for o in observed], step)
        found.append(Diagnosis(model.mistake, where, evidence + also))
    return found


_OTHERS = 3


def _evidence(
    explanation: Explanation, model: Model, cases: Sequence[Case], step: bool
) -> tuple[str, str]:
    """Find the number that this mistake changes most, and say so."""
    without = replace(
        explanation, models=tuple(each for each in explanation.models if each is not model)
    )
    fallback = ""
    for case in cases:
        got, want = (predict(case, each, step) for each in (explanation, without))
        network = f"{case.name} network"
        if got is None or want is None:
            what = "raises" if got is None else "does not raise"
            fallback = fallback or f"For the {network} it {what}, as this mistake makes it."
            continue
        entry = _largest(got, want, step)
        if entry is not None:
            layer, name, a, b = entry
            other = (
                f"right is {b}" if not without.models else f"without this mistake it would be {b}"
            )
            return f"layer {layer}", f"In the {network} {name} is {a}; {other}."
    return "", fallback


def _largest(got: Prediction, want: Prediction, step: bool) -> tuple[int, str, str, str] | None:
    """Find the entry that differs most, in the last layer where one does; its two numbers."""
    prefix = "the new " if step else "∂C/∂"
    layers = range(len(got[0]), 0, -1)
    for l, (letter, side) in product(layers, (("b", 0), ("w", 1))):
        a, b = got[side][l - 1], want[side][l - 1]
        if a.shape != b.shape:
            texts = [f"of shape {each.shape}" for each in (a, b)]
            return l, f"{prefix}{letter}{superscript(l)}", texts[0], texts[1]
        off = np.abs(a - b)
        place = np.unravel_index(np.argmax(off), off.shape)
        if off[place] > 1e-7 * np.max(np.abs(b), initial=0):
            name = prefix + indexed(letter, l, *(int(k) + 1 for k in place))
            return l, name, numeral(float(a[place]), 6), numeral(float(b[place]), 6)
    return None
