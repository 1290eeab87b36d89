"""The command of .ci/mutation: mutants by cosmic-ray, judged by pytest, scored module by module.

cosmic-ray makes the mutants. Its way of running them, a new interpreter each, would spend most of
the time on importing NumPy and hypothesis; here a worker that has imported them forks for each.

A verdict is remembered in .mutation/ and holds until the module changes or, for a killed mutant,
the test function that killed it; for a survivor that is not listed as equivalent, any of the
module's tests. Helpers of the tests and other modules of the package are taken to be the same:
after a change there, remove .mutation/.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import difflib
import gc
import hashlib
import json
import os
import py_compile
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import toml
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import OPERATOR_PROVIDERS, get_operator
from operators import OPERATORS
from places import Place, place

OPERATOR_PROVIDERS["own"] = OPERATORS
HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CACHE = ROOT / ".mutation"
CONFIG = toml.loads((HERE / "modules.toml").read_text())
EQUIVALENT = toml.loads((HERE / "equivalent.toml").read_text()).get("equivalent", [])


class Mutant(NamedTuple):
    """A line, the function around it, cosmic-ray's operator and the count of its occurrence."""

    line: int
    function: str
    operator: str
    occurrence: int


@dataclass
class Module:
    """A file under mutation, the tests that judge it and the verdicts that are known."""

    name: str
    path: str
    tests: list[str]
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source = (ROOT / self.path).read_text()
        self.memory = CACHE / f"{self.name.replace('/', '-')}.jsonl"
        texts = {test: (ROOT / test).read_text() for test in self.tests}
        self.all_tests = _digest("".join(texts.values()))
        self.each_test = {
            f"{file}::{name}": _digest(source)
            for file, text in texts.items()
            for name, source in _functions(text)
        }
        if self.memory.exists():
            for verdict in map(json.loads, self.memory.read_text().splitlines()):
                self.verdicts[verdict["mutant"]] = verdict

    def mutants(self) -> Iterator[Mutant]:
        """Each mutant as cosmic-ray makes it."""
        tree = get_ast(self.source)
        for name in CONFIG["operators"]:
            operator = get_operator(name)()
            places = (
                (node, start)
                for node in ast_nodes(tree)
                for start, _ in operator.mutation_positions(node)
            )
            for occurrence, (node, (line, _)) in enumerate(places):
                if not _is_inert(node):
                    function = ASTQuery(node).get_definition_name() or ""
                    yield Mutant(line, function.removesuffix("_vjp"), name, occurrence)

    def key(self, mutant: Mutant) -> str:
        """The mutant's name in the memory; another as soon as the module is another."""
        text = f"{mutant.operator} {mutant.occurrence}\n{self.source}"
        return _digest(text)

    def verdict(self, mutant: Mutant) -> dict[str, Any] | None:
        """What is known of a mutant and still holds."""
        verdict = self.verdicts.get(self.key(mutant))
        if verdict is None or "place" not in verdict:  # remembered before there were places
            return None
        known = verdict["tests"] == self.digest(verdict) or self.lists(verdict)
        return verdict if known else None

    def lists(self, verdict: dict[str, Any]) -> bool:
        """Whether it is that of a survivor said to be equivalent."""
        return verdict["outcome"] == "survived" and any(
            _is_listed(entry, self, verdict) for entry in EQUIVALENT
        )

    def digest(self, verdict: dict[str, Any]) -> str:
        """The state of the tests that a verdict rests on: none where pytest cannot even start."""
        if verdict["status"] == 4:
            return ""
        return self.each_test.get(verdict["by"].partition("[")[0], self.all_tests)

    def learn(self, mutant: Mutant, verdict: dict[str, Any]) -> None:
        """Remember a verdict, at once."""
        verdict = {"mutant": self.key(mutant), **verdict, "tests": self.digest(verdict)}
        self.verdicts[verdict["mutant"]] = verdict
        with self.memory.open("a") as lines:
            lines.write(json.dumps(verdict) + "\n")

    def killers(self, line: int) -> list[str]:
        """The tests that killed the mutants nearest to a line; they are asked first."""
        known = [v for v in self.verdicts.values() if v["by"].split("::")[0] in self.tests]
        known.sort(key=lambda v: abs(v["line"] - line))
        return list(dict.fromkeys(v["by"] for v in known if "::" in v["by"]))[:4]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _functions(text: str) -> Iterator[tuple[str, str]]:
    """The functions of a file, each with its source from the first decorator on."""
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            first = min(n.lineno for n in [node, *node.decorator_list])
            yield node.name, "\n".join(lines[first - 1 : node.end_lineno])


def _is_inert(node: Any) -> bool:
    """Whether nothing runs there: in annotations, overloads, what only type checkers see."""
    child, parent = node, node.parent
    if parent is not None and parent.type == "parameters":  # the * before keywords, no product
        return True
    while parent is not None:
        if parent.type == "tfpdef" or (parent.type == "funcdef" and child is parent.annotation):
            return True
        if parent.type == "annassign" and child is parent.children[1]:
            return True
        if parent.type == "decorated" and "@overload" in parent.children[0].get_code():
            return True
        if parent.type == "if_stmt" and parent.children[1].get_code().strip() == "TYPE_CHECKING":
            return True
        if parent.type == "expr_stmt" and re.match(
            r"\s*\w+: TypeAlias|\s*\w+ = TypeVar", parent.get_code()
        ):
            return True
        child, parent = parent, parent.parent
    return False


# --- A worker: a process with a copy of the tree of its own, which forks for each mutant. --------


def _start(files: Sequence[str]) -> None:
    os.nice(2)
    tree = Path(tempfile.mkdtemp(prefix="mutation-", dir=os.environ["MUTATION_SCRATCH"]))
    for file in files:
        (tree / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tree / file)
    # By hash: mutants come within the second that a time stamp counts.
    checked = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(tree, quiet=2, invalidation_mode=checked)
    os.chdir(tree)
    sys.path.insert(0, str(tree))
    sys.dont_write_bytecode = True
    os.environ.update(
        PYTHONPATH=str(tree), PYTHONDONTWRITEBYTECODE="1", HYPOTHESIS_PROFILE="mutation"
    )
    for name in CONFIG["preload"]:
        import_module(name)
    gc.freeze()  # what is imported by now need not be searched in every child


def _judge(
    path: str, seconds: float, first: Sequence[str], tests: Sequence[str], mutant: Mutant | None
) -> dict[str, Any]:
    """Run the tests, on a mutant or, to see that they pass, on the code as it is."""
    source = Path(path).read_text()
    mutated = source
    if mutant is not None:
        mutated = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)
        Path(path).write_text(mutated)
    began = time.monotonic()
    try:
        # What killed its neighbours, then what speaks of the function, then all.
        failed, output = _pytest(first, "", seconds) if first else (0, "")
        if KILLED not in output and mutant is not None and mutant.function:
            failed, output = _pytest(tests, f"{mutant.function} and ", seconds)
        if KILLED not in output:
            failed, output = _pytest(tests, "", seconds)
    finally:
        Path(path).write_text(source)
    lines = list(difflib.unified_diff(source.splitlines(), mutated.splitlines(), n=0))[2:]
    killer = output.partition(KILLED)[2].partition("\n")[0]
    return {
        "operator": mutant and mutant.operator,
        "line": mutant.line if mutant else 0,
        "before": _side("-", lines),
        "after": _side("+", lines),
        "place": None if failed or mutant is None else place(source, mutated),
        "outcome": "killed" if failed else "survived",
        "status": failed,
        "by": killer,  # empty also where pytest could not start or was ended
        "seconds": round(time.monotonic() - began, 2),
        "output": output[-2000:] if mutant is None else "",
    }


KILLED = "the mutant was killed by "


class _Watch:
    """A plugin of pytest that tells which test failed, or was cut short as it would not end."""

    def pytest_runtest_setup(self, item: Any) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        end = int(used.ru_utime + used.ru_stime + CONFIG["seconds_a_test"])
        whole = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (min(end, whole), whole))
        self.running = item.nodeid
        signal.signal(signal.SIGXCPU, self.cut_short)

    def cut_short(self, *_: Any) -> None:
        print(f"\n{KILLED}{self.running}")
        sys.stdout.flush()
        os._exit(3)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            print(f"\n{KILLED}{report.nodeid}")

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            print(f"\n{KILLED}{report.nodeid}")


def _side(sign: str, lines: Iterable[str]) -> str:
    """The code on one side of a diff, without its indentation."""
    code = (line[1:].strip() for line in lines if line[0] == sign)
    return "\n".join(line for line in code if line and line[0] != "#")


def _pytest(tests: Sequence[str], only: str, seconds: float) -> tuple[int, str]:
    """Pytest's exit status and output; that of a signal for what loops or hoards."""
    with tempfile.TemporaryFile() as out:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
            resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
            resource.setrlimit(resource.RLIMIT_AS, (CONFIG["memory"], CONFIG["memory"]))
            code = 3
            try:
                import pytest

                which = ["-k", only + CONFIG["tests"].strip()]
                code = int(pytest.main([*CONFIG["pytest"], *which, *tests], [_Watch()]))
            finally:
                sys.stdout.flush()
                os._exit(code)
        status = _wait(pid, time.monotonic() + 4 * seconds)
        out.seek(0)
        return status, out.read().decode(errors="replace")


def _wait(pid: int, until: float) -> int:
    """The child's exit status; what waits for ever, as for a lock, is ended."""
    pause = 0.005
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        time.sleep(pause)
        pause = min(2 * pause, 0.1)
    else:
        os.killpg(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


# --- The command. ---------------------------------------------------------------------------------


_PASSED: dict[tuple[str, ...], float] = {}
"""How long the tests took that passed without a mutation, which are the same for many modules."""


def run(module: Module, mutants: Sequence[Mutant], pool: ProcessPoolExecutor, jobs: int) -> None:
    """Judge what has no verdict yet, line by line, so that each line's killers are soon known."""
    todo = sorted(mutant for mutant in mutants if module.verdict(mutant) is None)
    if not todo:
        return
    tests = tuple(module.tests)
    if tests not in _PASSED:
        base = pool.submit(_judge, module.path, 900, [], tests, None).result()
        if base["status"]:
            sys.exit(f"{module.name}: the tests fail without a mutation\n{base['output']}")
        _PASSED[tests] = base["seconds"]
    count, seconds = f"{len(todo)} of {len(mutants)}", _PASSED[tests]
    print(f"{module.name}: {count} to judge; its tests take {seconds} s", flush=True)
    limit = 20 + 4 * seconds
    running: dict[Future[dict[str, Any]], Mutant] = {}
    while todo or running:
        while todo and len(running) < jobs:
            mutant = todo.pop(0)
            first = module.killers(mutant.line)
            job = pool.submit(_judge, module.path, limit, first, tests, mutant)
            running[job] = mutant
        for job in wait(running, return_when=FIRST_COMPLETED).done:
            verdict = job.result()
            module.learn(running.pop(job), verdict)
            if verdict["outcome"] == "survived":
                print(_diff(verdict), flush=True)


def _diff(verdict: dict[str, Any]) -> str:
    lines = [f"    line {verdict['line']}  {verdict['operator']}  {verdict['outcome']}"]
    lines += [f"    - {line}" for line in verdict["before"].splitlines()]
    lines += [f"    + {line}" for line in verdict["after"].splitlines()]
    for name, text in zip(Place._fields, verdict["place"] or (), strict=False):
        lines.append(f"    {name} = {json.dumps(text, ensure_ascii=False)}")
    return "\n".join(lines)


def _is_listed(entry: dict[str, str], module: Module, verdict: dict[str, Any]) -> bool:
    there = [entry["function"], entry["before"], entry["after"]]
    return entry["module"] == module.name and list(verdict["place"] or ()) == there


def report(module: Module, mutants: Sequence[Mutant], of: int) -> float:
    """Print the module's row, its survivors and the entries of the list that are stale.

    The score is the share of mutants killed, of those that are not equivalent.
    """
    verdicts = [v for v in map(module.verdict, mutants) if v is not None]
    survived = [v for v in verdicts if v["outcome"] == "survived"]
    unlisted = [v for v in survived if not module.lists(v)]
    killed, equivalent = len(verdicts) - len(survived), len(survived) - len(unlisted)
    score = killed / max(1, len(verdicts) - equivalent)
    note = "" if len(verdicts) == of else f"  a sample of {len(verdicts)} of {of}"
    print(f"{module.name:28}{len(verdicts):8}{killed:8}{equivalent:12}{score:8.1%}{note}")
    for verdict in unlisted:
        print(_diff(verdict))
    for entry in EQUIVALENT:
        if entry["module"] != module.name:
            continue
        if len(verdicts) == of and not any(_is_listed(entry, module, v) for v in verdicts):
            print(f"    stale: {entry['function']}: {entry['before']}  ->  {entry['after']}")
    return score


def _modules() -> Iterator[tuple[str, list[str]]]:
    """Every module that the configuration names, with its tests."""
    for pattern, tests in CONFIG["modules"].items():
        found = [path for test in tests for path in sorted(ROOT.glob(test))]
        judges = list(dict.fromkeys(str(path.relative_to(ROOT)) for path in found))
        for path in sorted(ROOT.glob(f"microgradnet/{pattern}.py")):
            yield str(path.relative_to(ROOT / "microgradnet").with_suffix("")), judges


def _files() -> list[str]:
    """The files of the tree that git knows or might."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [file for file in listed.splitlines() if (ROOT / file).is_file()]


def main() -> None:
    """Judge the mutants of the modules named, or of all."""
    parser = argparse.ArgumentParser(prog="bash .ci/mutation", description=__doc__)
    parser.add_argument("module", nargs="*", help="as in tests/mutation/modules.toml; all if none")
    parser.add_argument("--sample", type=int, help="judge this many mutants of a module, at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (0)")
    parser.add_argument("--jobs", type=int, default=2, help="at once (2)")
    parser.add_argument("--report", action="store_true", help="judge none, report what is known")
    options = parser.parse_args()
    known = dict(_modules())
    unknown = [name for name in options.module if name not in known]
    if unknown:
        parser.error(f"no module {', '.join(unknown)}: there are {', '.join(known)}")
    CACHE.mkdir(exist_ok=True)
    # The state of now, all at once: what is edited meanwhile counts the next time.
    rows = []
    for name in options.module or known:
        module = Module(name, f"microgradnet/{name}.py", known[name])
        mutants = every = list(module.mutants())
        if options.sample is not None and options.sample < len(every):
            mutants = random.Random(options.seed).sample(every, options.sample)
        if every:
            rows.append((module, mutants, len(every)))
    if not options.report:
        with tempfile.TemporaryDirectory() as scratch:
            os.environ["MUTATION_SCRATCH"] = scratch
            arguments = (options.jobs, get_context("fork"), _start, (_files(),))
            with ProcessPoolExecutor(*arguments) as pool:
                for module, mutants, _ in rows:
                    run(module, mutants, pool, options.jobs)
    print(f"{'module':28}{'mutants':>8}{'killed':>8}{'equivalent':>12}{'score':>8}")
    worst = min(report(*row) for row in rows)
    if worst < CONFIG["score"]:
        sys.exit(f"below {CONFIG['score']:.0%}")


if __name__ == "__main__":
    main()
