"""The command line: one verb a file, each with `add`, which declares its options.

What several verbs take is in `options`. A verb's module imports what it needs when it runs, so
that a help text and an error are there at once.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, NoReturn

from microgradnet import __version__
from microgradnet.cli import draw, explore, judge, lift, predict, train, verify
from microgradnet.cli.options import UsageError

__all__ = ["main"]

_VERBS = (verify, train, predict, draw, explore, lift, judge)
"""The verbs, in the order in which the help lists them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status.

    It is 0 when all is well, 1 when a verification failed, 2 for arguments that make no sense.

    >>> main(["verify", "--data", "xor", "--sizes", "2,3,2", "--examples", "-1"])
    Traceback (most recent call last):
        ...
    SystemExit: 2
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without δ gets a ? instead
    options, rest = _parser().parse_known_args(arguments)
    if hasattr(options, "numbers") and not any(each.startswith("-") for each in rest):
        options.numbers += rest  # argparse leaves what stands behind an option: "w*x" -o a.svg w=1
    elif rest:
        options.parser.error(_unknown(rest, options))
    try:
        status = int(options.run(options))
        sys.stdout.flush()
        return status
    except UsageError as error:
        print(_line(f"microgradnet {options.verb}: error: {error}"), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("microgradnet: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stderr.close()
        return 0
    except OSError as error:  # standard output on a full disk
        print(_line(f"microgradnet {options.verb}: error: {error}"), file=sys.stderr)
        with suppress(OSError):
            sys.stdout.close()  # what could not be written is not tried again at exit
        return 2


class _Parser(argparse.ArgumentParser):
    """Parse as argparse does, with one line for an error instead of the usage and a line."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Do what argparse does, but for --save=--, of which it makes an empty list."""
        typed = sys.argv[1:] if args is None else list(args)
        for each in typed:
            if each.startswith("--") and each.endswith("=--"):
                self.error(f"{each}: -- is no value")
        return super().parse_known_args(typed, namespace)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{_line(f'{self.prog}: error: {message}')} (see {self.prog} --help)\n")


def _line(text: str) -> str:
    r"""Cut to one line of 500 characters, in which what was typed can do nothing to a terminal.

    >>> _line("'a\nb\x1b[2J' is no number")
    "'a\\nb\\x1b[2J' is no number"
    """
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:500])
    return line if len(line) < 500 else f"{line[:499]}…"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="microgradnet",
        description="A scalar autograd engine, and the formulas of backpropagation beside it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"microgradnet {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in _VERBS:
        verb.add(verbs)
    for each in verbs.choices.values():
        each.set_defaults(parser=each)
    examples = [_example(each) for each in verbs.choices.values()]
    parser.epilog = "examples:\n" + "\n".join(examples)
    return parser


_ALIASES = {
    "--alpha": "--eta", "--dataset": "--data", "--hidden": "--sizes", "--layers": "--sizes",
    "--learning-rate": "--eta", "--loss": "--cost", "--lr": "--eta", "--out": "--output",
    "--samples": "--examples",
}  # fmt: skip
"""Names that options have in other programs."""


def _unknown(rest: list[str], options: argparse.Namespace) -> str:
    """Say which argument the verb does not know, and what may have been meant."""
    from difflib import get_close_matches

    unknown = [each.partition("=")[0] for each in rest if each.startswith("-")]
    if not unknown:
        return f"unrecognized arguments: {' '.join(rest)}"
    name = unknown[0]
    if hasattr(options, "expression") and not name.startswith("--"):
        return f"there is no option {name}: write an expression that begins with - in brackets"
    known = re.findall(r"--[\w-]+", options.parser.format_help())
    meant = _ALIASES.get(name)
    near = get_close_matches(meant or name, known, 1, 0.9 if meant else 0.6)
    return f"there is no option {name}" + (f": is it {near[0]}?" if near else "")


def _example(verb: argparse.ArgumentParser) -> str:
    """Return the first example in a verb's own help."""
    _, _, examples = (verb.epilog or "").partition("examples:\n")
    return examples.partition("\n")[0]
