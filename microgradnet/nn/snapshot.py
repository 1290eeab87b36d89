"""Arrays that are copies of a network's numbers, and say so where one writes into them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Snapshot", "snapshot"]


class Snapshot(np.ndarray[Any, Any]):
    """Refuse to be written into; what is computed from it, W −= step too, is a plain new one."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [x.view(np.ndarray) if isinstance(x, Snapshot) else x for x in inputs]
        if any(isinstance(x, Snapshot) for x in options.get("out", ())):  # W −= step
            del options["out"]
        return getattr(ufunc, method)(*plain, **options)

    def __setitem__(self, key: Any, value: Any) -> None:
        if not self.flags.writeable:
            raise ValueError(
                "this array is a copy, and writing into it would change no parameter: "
                "W = model.weights[1].copy(), change W, then model.weights[1] = W"
            )
        super().__setitem__(key, value)

    def __repr__(self) -> str:
        return repr(self.view(np.ndarray))


def snapshot(array: NDArray[Any]) -> Snapshot:
    """Make an array one that nothing is written into.

    >>> W = snapshot(np.zeros((1, 2)))
    >>> W -= 1.0
    >>> W
    array([[-1., -1.]])
    """
    copy = array.view(Snapshot)
    copy.flags.writeable = False
    return copy
