"""Limits to foreign code: of steps, of time and of depth, so that a loop without end is a finding.

Steps are calls and returns of Python's functions and of its built-in ones. They are counted by a
profiler, which leaves a debugger and a measurement of coverage alone; the same code takes the same
steps each time. A loop that calls nothing takes none: a thread that waits beside ends it. Depth is
Python's own limit of recursion.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["Count", "Failure", "Limit", "Stopped"]

T = TypeVar("T")


class Stopped(BaseException):
    """Foreign code took more steps, or more time, than it may."""

    def __str__(self) -> str:
        return super().__str__() or "no call and no end for seconds"


class Failure:
    """What foreign code raised: the kind of error and the beginning of its text."""

    def __init__(self, error: BaseException) -> None:
        self.kind = type(error)
        try:
            self.text = " ".join(str(error)[:_TEXT].split())
        except Exception:  # __str__ is foreign code as well
            self.text = ""

    @property
    def stopped(self) -> bool:
        """Whether the limit of steps, of time or of depth was what it met."""
        return issubclass(self.kind, Stopped | RecursionError | MemoryError)

    def __str__(self) -> str:
        return f"{self.kind.__name__}: {self.text}" if self.text else self.kind.__name__


_TEXT = 160
"""So many characters of an error's text are kept."""


class Count:
    """A profiler that counts its calls, up to a limit."""

    def __init__(self, steps: int) -> None:
        self.steps = self.left = steps

    def __call__(self, frame: Any, event: str, arg: Any) -> None:
        """Take one step. Raises Stopped where none is left."""
        self.left -= 1
        if self.left < 0:
            raise Stopped(f"{self.steps:,} steps and no end")


class Limit:
    """Calls foreign functions under limits, each call with all of them anew.

    >>> with Limit(steps=1000) as limit:
    ...     print(limit(abs, -2))
    ...     print(limit(lambda: [abs(k) for k in range(9999)]))
    ...     print(limit(lambda: 1 / 0))
    2
    Stopped: 1,000 steps and no end
    ZeroDivisionError: division by zero
    """

    def __init__(self, steps: int = 3_000_000, seconds: float = 4.0) -> None:
        self.steps, self.seconds = steps, seconds
        self.taken = 0
        """The steps of the call before."""
        self._turn = threading.Condition()
        self._calls = 0
        self._busy = self._over = False
        self._thread = threading.get_ident()
        self._beside = threading.Thread(target=self._wait, daemon=True)

    def __enter__(self) -> Limit:
        self._beside.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self._over = True
            self._turn.notify()
        self._beside.join()

    def __call__(self, function: Callable[..., T], *args: Any) -> T | Failure:
        """Return what the function returns, or the failure that it ended in."""
        count = Count(self.steps)

        def counted() -> T:
            before = sys.getprofile()
            sys.setprofile(count)
            try:
                return function(*args)
            finally:
                sys.setprofile(before)
                self.taken = count.steps - count.left

        return self.uncounted(counted)

    def uncounted(self, function: Callable[..., T], *args: Any) -> T | Failure:
        """Do so under the limit of time alone."""
        try:
            with self._turn:
                self._calls += 1
                self._busy = True
            try:
                return function(*args)
            finally:
                with self._turn:
                    self._busy = False
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if isinstance(error, Stopped):  # who has had no end once is waited for less
                self.steps = min(self.steps, max(self.steps // 2, 200_000))
                self.seconds = max(self.seconds / 2, 0.5)
            return Failure(error)

    def _wait(self) -> None:
        """End a call that is still the same one after a while, looked at four times."""
        call = looks = 0
        with self._turn:
            while not self._over:
                self._turn.wait(self.seconds / 4)
                looks = looks + 1 if self._busy and call == self._calls else 0
                call = self._calls
                if looks == 4 and not self._over:
                    looks = 0
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(
                        ctypes.c_ulong(self._thread), ctypes.py_object(Stopped)
                    )
