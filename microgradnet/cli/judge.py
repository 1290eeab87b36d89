"""microgradnet judge: is your engine, your `backprop`, your training step right."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from microgradnet.cli.options import UsageError, add_verb, count, seed

__all__ = ["add", "in_a_child"]


def add(verbs: Any) -> None:
    """Declare the verb."""
    judge = add_verb(
        verbs,
        "judge",
        _run,
        help="judge somebody's engine, backprop or training step",
        description="Judge an autograd engine, a class like micrograd's Value. Or, with\n"
        "--delta, a function (weights, biases, x, y) that computes gradients by hand;\n"
        "with --step a training step (parameters, batch, eta). It runs in a process of\n"
        "its own.",
        epilog="examples:\n"
        "  microgradnet judge my_engine.py:Value\n"
        "  microgradnet judge my_network.py:backprop --delta --cost quadratic\n"
        "  microgradnet judge course.week3:train_step --step --json --no-hints\n\n"
        "exit status: 0 if all is right, 1 if not, 2 if it could not be judged",
    )
    add = judge.add_argument
    add("target", metavar="MODULE:NAME", help="what to judge, of a module or of a FILE.py")
    kind = judge.add_mutually_exclusive_group()
    kind.add_argument("--delta", action="store_true", help="it is a backprop on arrays")
    kind.add_argument("--step", action="store_true", help="it is a training step on arrays")
    add("--activation", metavar="NAME", help="of the layers (default: found out)")
    add("--output-activation", metavar="NAME", help="of the last layer (default: found out)")
    add("--cost", metavar="NAME", help="quadratic, cross_entropy ... (default: found out)")
    add("--batch", metavar="NAME", help="with --delta: sum or mean over the examples")
    add("--seed", type=seed, default=0, metavar="N", help="of all that is drawn (default: 0)")
    add("--seconds", type=count(1), default=60, metavar="N",
        help="how long it may take (default: 60)")  # fmt: skip
    add("--json", action="store_true", help="print the report as JSON")
    add("--no-hints", action="store_true", help="name no mistakes")
    add("--pictures", metavar="FOLDER", help="write the pictures of the mistakes there, as SVG")


_CONTRACT = ("activation", "output_activation", "cost", "batch")


def _run(options: argparse.Namespace) -> int:
    from rich.console import Console

    console = Console()
    asked = {**_request(options), "width": console.width, "colour": console.is_terminal}
    with TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        request = {**asked, "result": str(result)}
        try:
            done = subprocess.run(
                [sys.executable, "-c", _CHILD, json.dumps(request)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                timeout=options.seconds,
            )  # fmt: skip
            said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][:200]
            failure = f"the process ended with status {done.returncode}: {said}".rstrip(": ")
        except subprocess.TimeoutExpired:
            failure = f"not done after {options.seconds} seconds: --seconds allows more"
        if not result.exists():  # the student's code took the process with it
            _stopped(request, failure)
        answer = json.loads(result.read_text(encoding="utf-8"))
    if "error" in answer:
        raise UsageError(answer["error"])
    print(answer["text"])
    return 0 if answer["ok"] else 1


_CHILD = (
    "import os, sys; from microgradnet.cli.judge import in_a_child; in_a_child(sys.argv[1]); "
    "os._exit(0)"
)
"""It waits for no thread that the student's code has started."""


def _request(options: argparse.Namespace) -> dict[str, Any]:
    """Collect what the child needs to know; what makes no sense is an error here."""
    kind = "delta" if options.delta else "step" if options.step else "engine"
    chosen = {name: value for name in _CONTRACT if (value := getattr(options, name)) is not None}
    if chosen and kind == "engine":
        raise UsageError(f"--{next(iter(chosen)).replace('_', '-')} goes with --delta or --step")
    if "batch" in chosen and kind == "step":
        raise UsageError("--batch goes with --delta: a step divides by the number of examples")
    place, colon, name = options.target.rpartition(":")
    if not colon or not name.isidentifier() or not place:
        raise UsageError(
            f"{options.target!r}: say where it is and what, as in my_engine.py:Value or "
            "package.module:Value"
        )
    _find(place)
    return {
        "place": place, "name": name, "kind": kind, "options": chosen, "seed": options.seed,
        "json": options.json, "hints": not options.no_hints, "pictures": options.pictures,
        "target": options.target,
    }  # fmt: skip


def _find(place: str) -> None:
    """Look whether there is such a file or module, without running any of it."""
    from importlib.machinery import PathFinder

    if place.endswith(".py"):
        if "\0" in place or not Path(place).is_file():
            raise UsageError(f"there is no file {place!r}")
    elif not all(part.isidentifier() for part in place.split(".")):
        raise UsageError(f"{place!r} is neither a module nor a file that ends in .py")
    elif PathFinder.find_spec(place.split(".")[0], [".", *sys.path]) is None:
        raise UsageError(
            f"there is no module {place.split('.')[0]!r} here: give its file, or install it"
        )


def in_a_child(request: str) -> None:
    """Judge what a request in JSON describes, and write the answer to the file that it names."""
    wanted = json.loads(request)
    try:
        answer = _judged(wanted)
    except UsageError as error:
        answer = {"error": str(error)}
    Path(wanted["result"]).write_text(json.dumps(answer), encoding="utf-8")


def _judged(wanted: dict[str, Any]) -> dict[str, Any]:
    from microgradnet import judging

    subject = _load(wanted["place"], wanted["name"])
    judges = {"delta": judging.judge_delta, "step": judging.judge_step, "engine": judging.judge}
    judge: Any = judges[wanted["kind"]]
    other = "; for a backprop add --delta, for a step --step" * (wanted["kind"] == "engine")
    try:
        judgement = judge(subject, seed=wanted["seed"], hints=wanted["hints"], **wanted["options"])
    except (TypeError, ValueError) as error:
        raise UsageError(f"{error}{other}") from None
    if wanted["pictures"]:
        _write(wanted["pictures"], judgement.pictures)
    return {"ok": judgement.ok, "text": _text(judgement, wanted)}


def _load(place: str, name: str) -> Any:
    """Import a module and get a name out of it."""
    from importlib import import_module
    from importlib.util import module_from_spec, spec_from_file_location

    path = Path(place)
    sys.path.insert(0, str(path.parent if place.endswith(".py") else Path.cwd()))
    try:
        if place.endswith(".py"):
            spec = spec_from_file_location(path.stem, path)
            assert spec is not None and spec.loader is not None  # for a name that ends in .py
            module = sys.modules[path.stem] = module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = import_module(place)
        has_it = hasattr(module, name)  # which a module may answer itself
    except BaseException as error:
        raise UsageError(f"{place} cannot be imported: {type(error).__name__}: {error}") from None
    if not has_it:
        from difflib import get_close_matches

        names = [each for each in vars(module) if not each.startswith("_")]
        near = get_close_matches(name, names, 1)
        has = f": is it {near[0]}?" if near else f"; it has {', '.join(names[:8])}"
        raise UsageError(f"{place} has no {name}{has}")
    return getattr(module, name)


def _text(judgement: Any, wanted: dict[str, Any]) -> str:
    if wanted["json"]:
        return str(judgement.to_json())
    from io import StringIO

    from rich.console import Console

    console = Console(file=StringIO(), width=wanted["width"], force_terminal=wanted["colour"])
    with console.capture() as capture:
        console.print(judgement)
    return capture.get().rstrip("\n")


def _write(folder: str, pictures: dict[str, Any]) -> None:
    try:
        Path(folder).mkdir(exist_ok=True)
        for name, picture in pictures.items():
            picture.save(Path(folder, f"{name}.svg"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder!r} cannot be written: {error}") from None


def _stopped(wanted: dict[str, Any], failure: str) -> None:
    """Judge what took the process with it: that is a finding."""
    from microgradnet.judging import Finding, Judgement

    kind = {"delta": "backprop"}.get(wanted["kind"], wanted["kind"])
    finding = Finding("runs", "runs to the end", "stopped", wanted["target"], failure)
    judgement = Judgement(wanted["name"], kind, (finding,), (), wanted["hints"], wanted["seed"])
    answer = {"ok": False, "text": _text(judgement, wanted)}
    Path(wanted["result"]).write_text(json.dumps(answer), encoding="utf-8")
