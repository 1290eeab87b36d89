"""The line of the user's program that is being run."""

from __future__ import annotations

import os
import sys
from functools import cache
from types import FrameType, ModuleType

__all__ = ["users_frame"]


def users_frame() -> tuple[FrameType, set[str]]:
    """Return the innermost frame outside this package and NumPy, and the files called from there.

    >>> frame, files = users_frame()
    >>> frame.f_code.co_filename[:8], len(files)
    ('<doctest', 1)
    """
    folders = _folders(sys.modules.get("numpy"))
    frame, files = sys._getframe(), set()
    while frame.f_code.co_filename.startswith(folders) and frame.f_back is not None:
        files.add(frame.f_code.co_filename)
        frame = frame.f_back
    return frame, files


@cache
def _folders(numpy: ModuleType | None) -> tuple[str, ...]:
    files = [__file__, *([numpy.__file__] if numpy else [])]
    return tuple(os.path.dirname(os.path.abspath(str(file))) + os.sep for file in files)
