"""Hostile input, and the guard under which the package is given it.

The guard fails for what takes too long or too much memory, for code that comes from no file, for
a program or a connection that nobody asked for, and for a file touched where nobody asked for one.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NoReturn

from hypothesis import strategies as st

__all__ = ["TRIED", "Violation", "guarded", "numerals", "texts"]

TRIED: Counter[str] = Counter()
"""How many inputs were tried, by what read them; told at the end of the run."""

SECONDS, MEGABYTES = 60, 2_000
"""No benchmark: so generous that only what does not end, or eats all there is, runs into it."""


class Violation(BaseException):
    """What input must never bring about; no `except Exception` swallows it."""


class _Watch:
    """What is allowed meanwhile, and what happened that is not."""

    def __init__(self, places: Sequence[str | os.PathLike[str]], programs: Sequence[str]) -> None:
        self.places = [os.path.abspath(place) for place in places if "\0" not in str(place)]
        self.programs = [os.path.realpath(program) for program in programs]
        self.seen: list[str] = []

    def see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _NEVER or event.startswith(_NEVER_BEGINNING):
            self.refuse(event, arguments)
        elif event == "exec":
            asks = sys._getframe(2).f_globals.get("__name__")
            if asks not in _WRITERS and not _comes_from_a_file(arguments[0].co_filename):
                self.refuse(event, arguments)
        elif event in ("subprocess.Popen", "os.posix_spawn"):
            if os.path.realpath(arguments[1][0]) not in self.programs:
                self.refuse(event, arguments)
        elif event == "open":
            path, _, flags = arguments
            if isinstance(path, (str, bytes, os.PathLike)) and flags & _WRITING:
                self.touches(event, path)
        elif event in _TOUCHING:
            for path in arguments:
                if isinstance(path, (str, bytes, os.PathLike)):
                    self.touches(event, path)

    def touches(self, event: str, path: str | bytes | os.PathLike[Any]) -> None:
        absolute = os.path.abspath(os.fsdecode(path))
        if not any(absolute == p or absolute.startswith(p + os.sep) for p in self.places):
            self.refuse(event, (path,))

    def refuse(self, event: str, arguments: tuple[Any, ...]) -> NoReturn:
        self.seen.append(f"{event} {arguments!r:.200}")
        raise Violation(self.seen[-1])


_NEVER = {"os.system", "os.exec", "os.fork", "os.forkpty", "os.spawn",
          "pickle.find_class", "webbrowser.open", "os.startfile"}  # fmt: skip
_NEVER_BEGINNING = ("socket.", "urllib.", "ftplib.", "http.client", "pty.")
_TOUCHING = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink",
             "os.truncate", "os.chmod", "os.chown", "shutil.rmtree", "shutil.move"}  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_WRITERS = ("microgradnet.lifting.lifted", "microgradnet.unrolled", "collections", "dataclasses")
"""They run what they have written themselves, of which their own tests say what it is made of."""

_watches: list[_Watch] = []


@cache
def _comes_from_a_file(name: str) -> bool:
    """Whether code is a file's, or Python's own."""
    return name.startswith("<frozen ") or os.path.isfile(name)


@lru_cache(maxsize=1)
def _listen() -> None:
    """Hear of all that Python's auditing tells. There is no way to stop that."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if _watches:
            _watches[-1].see(event, arguments)

    sys.addaudithook(hook)


@contextmanager
def guarded(
    reader: str,
    *,
    places: Sequence[str | os.PathLike[str]] = (),
    programs: Sequence[str] = (),
) -> Iterator[None]:
    """Count an input of this reader, and watch over what it brings about.

    places    files, or folders of files, that may be touched
    programs  that may be run
    """
    _listen()
    TRIED[reader] += 1
    watch = _Watch(places, programs)
    with _limits():
        _watches.append(watch)
        try:
            yield
        finally:
            _watches.pop()
    assert watch.seen == []


@contextmanager
def _limits() -> Iterator[None]:
    if not hasattr(signal, "setitimer"):  # on Windows there is no way to set them
        yield
        return
    import resource

    def too_long(*_: object) -> NoReturn:
        raise Violation(f"more than {SECONDS} seconds")

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with suppress(OSError):  # of Linux
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MEGABYTES * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    faulthandler.dump_traceback_later(
        4 * SECONDS, exit=True, file=sys.__stderr__
    )  # within one call of C
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


# What is tried

_PIECES = [
    "</script>", "<script>window.hit=1</script>", '"><img src=x onerror="window.hit=1">', "<!--",
    "-->", "]]>", "<svg onload=window.hit=1>", "</title>", "</text>", "{{ 7*7 }}", "{% if %}",
    "${7*7}", "javascript:window.hit=1", "&lt;", "&#60;", "'", '"', "\\", "\\N", "\\", "`", "$",
    "#",     "\0", "\n", "\r\n", "\x1b[31m", "\x7f", "\x85", "\u2028", "\ud800", "\udcff", "\ufffe",
    "\u202e", "\u2066", "\u200f", "אבג", "مرحبا", "δ²₁", "🎉", "ﬁ", "e\u0301", "[/bold]", "[red]",
    "%s", "{0}", "\\input{x}", "\\href{javascript:window.hit=1}{x}", "$$", "\\end{aligned}", " ",
    "__import__('os').abort()", "); import os; os.abort(", "x", "∂C/∂w", "*" * 500,
]  # fmt: skip


def texts() -> st.SearchStrategy[str]:
    """Texts meant to break out of where they stand: markup, escapes, controls, surrogates."""
    pieces = st.lists(st.sampled_from(_PIECES), max_size=5).map("".join)
    anything = st.text(st.characters(), max_size=20)
    return st.one_of(st.sampled_from(_PIECES), pieces, anything, st.just("long " * 900))


def numerals() -> st.SearchStrategy[str]:
    """Numbers as they may be written, and what only looks like one."""
    return st.one_of(
        st.integers(-3, 9).map(str),
        st.floats().map(str),
        st.fractions(max_denominator=99).map(str),
        st.sampled_from(
            ["", " ", "nan", "-inf", "1e999", "-1e999", "1e-999", "1e999999999", "1e-999999999",
             "-0", "0/1", "1/0", "1/3/5", "9" * 5_000, "-" + "9" * 400, "1" + "0" * 400 + ".5",
             "0x10", "1_0", "１", "½", "+1", "1e", ".", "--1", "1,2", "True", "None"]
        ),
    )  # fmt: skip
