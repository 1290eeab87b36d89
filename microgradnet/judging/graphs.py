"""How an engine walks its graphs: it runs small ones, and its habits explain the numbers.

The graphs are made of sums and products alone. What else an engine has is tried within a graph
when the engine's habits are known.
"""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import combinations
from typing import Any

from microgradnet.judging.engines import Engine, Function, NodeEngine
from microgradnet.judging.findings import Finding, Verdict
from microgradnet.judging.limits import Failure
from microgradnet.judging.rules import Measured, Symptom
from microgradnet.judging.walking import Habits, Outcome, Script, predict

__all__ = ["PRODUCT", "SUM", "judge_graphs", "judge_lives", "judge_sizes", "judge_within_graphs"]

SUM, PRODUCT = "x + y", "x * y"

SCRIPTS = (
    Script("x + x", (1.75,), ((SUM, (0, 0)),)),
    Script("x * x", (1.75,), ((PRODUCT, (0, 0)),)),
    Script("x used by two: 2x + 3x", (1.75, 2.0, 3.0),
           ((PRODUCT, (0, 1)), (PRODUCT, (0, 2)), (SUM, (3, 4)))),
    Script("x used by three sums", (1.75, 2.0, 3.0, 4.5),
           ((SUM, (0, 1)), (SUM, (0, 2)), (SUM, (0, 3)), (PRODUCT, (4, 5)), (PRODUCT, (7, 6)))),
    Script("a sum within: 3(x + y)", (1.75, 2.5, 3.0), ((SUM, (0, 1)), (PRODUCT, (3, 2)))),
    Script("a product within: 3xy", (1.75, 2.5, 3.0),
           ((PRODUCT, (0, 1)), (PRODUCT, (3, 2)))),
    Script("b = 2a, c = 3b, d = b + c", (1.75, 2.0, 3.0),
           ((PRODUCT, (0, 1)), (PRODUCT, (3, 2)), (SUM, (3, 4)))),
    Script("b = 2a, c = 3b, d = c + b", (1.75, 2.0, 3.0),
           ((PRODUCT, (0, 1)), (PRODUCT, (3, 2)), (SUM, (4, 3)))),
    Script("b = a + 2, c = b + 3: b·(cb)", (1.75, 2.0, 3.0),
           ((SUM, (0, 1)), (SUM, (3, 2)), (PRODUCT, (4, 3)), (PRODUCT, (3, 5)))),
    Script("u = xy, v = uu, w = v + u", (1.75, 2.5),
           ((PRODUCT, (0, 1)), (PRODUCT, (2, 2)), (SUM, (3, 2)))),
    Script("equal: 5·2x + 7·2y, x = y", (1.75, 1.75, 2.0, 2.0, 5.0, 7.0),
           ((PRODUCT, (0, 2)), (PRODUCT, (1, 3)), (PRODUCT, (6, 4)), (PRODUCT, (7, 5)),
            (SUM, (8, 9)))),
    Script("equal: x + 2 + (y + 2), x = y", (1.75, 1.75, 2.0, 2.0),
           ((SUM, (0, 2)), (SUM, (1, 3)), (SUM, (4, 5)))),
    Script("a consumer that is not asked", (1.75, 2.0, 3.0, 5.0),
           ((PRODUCT, (0, 1)), (PRODUCT, (4, 2)), (PRODUCT, (4, 3)))),
    Script("two roots: 3·2a, then 5·2a", (1.75, 2.0, 3.0, 5.0),
           ((PRODUCT, (0, 1)), (PRODUCT, (4, 2)), (PRODUCT, (4, 3))), (5, 6)),
    Script("after zeroing: 2a, then 3a", (1.75, 2.0, 3.0),
           ((PRODUCT, (0, 1)), (PRODUCT, (0, 2))), (3, None, 4)),
    Script("three backwards: 3·2a", (1.75, 2.0, 3.0),
           ((PRODUCT, (0, 1)), (PRODUCT, (3, 2))), (4, 4, 4)),
    Script("three backwards: (a + 2) + 3", (1.75, 2.0, 3.0),
           ((SUM, (0, 1)), (SUM, (3, 2))), (4, 4, 4)),
    Script("zeroed between two: 3·2a", (1.75, 2.0, 3.0),
           ((PRODUCT, (0, 1)), (PRODUCT, (3, 2))), (4, None, 4)),
)  # fmt: skip


@dataclass(frozen=True)
class _Deviation:
    """One mistake in an engine's habits."""

    mistake: str
    field: str
    value: Any


_ORDERS = ("recursive", "recursive once", "breadth first", "breadth first again")
_BOTH = (frozenset([SUM]), frozenset([PRODUCT]), frozenset([SUM, PRODUCT]))
_DEVIATIONS = (
    *(_Deviation("assigned_gradient", "assigns", names) for names in _BOTH),
    *(_Deviation("no_topological_order", "order", order) for order in _ORDERS),
    _Deviation("order_not_reversed", "order", "forward"),
    _Deviation("set_of_parents", "parents", "unique"),
    _Deviation("set_of_parents", "parents", "set"),
    _Deviation("interior_gradients_kept", "interior_kept", True),
    _Deviation("nodes_compared_by_value", "by_value", True),
    _Deviation("tape_never_cleared", "tape_kept", True),
    _Deviation("seed_accumulates", "seed_adds", True),
    *(_Deviation("upstream_gradient_lost", "loses", names) for names in _BOTH),
    *(_Deviation("upstream_gradient_added", "adds", names) for names in _BOTH),
    _Deviation("paths_one_by_one", "order", "path by path"),
)


def judge_graphs(
    engine: Engine, measured: Mapping[str, Measured]
) -> tuple[list[Finding], list[Symptom], Habits | None]:
    """Run the graphs and explain them; None in place of habits where no known ones fit."""
    functions = {name: each.offered.function for name, each in measured.items()}
    partials = _partials(engine, measured)
    runs = []
    for script in SCRIPTS:
        if isinstance(engine, NodeEngine):
            runs.append((script, _run(engine, script, functions)))
        elif not script.passes:
            runs.append((script, _transformed(engine, script, functions)))
    base = Habits(seed_is_value=getattr(engine, "seed", "one") == "value")
    known = [(script, outcome) for script, outcome in runs if not isinstance(outcome, Failure)]
    explained = _explain(base, known, partials)
    once = any(len(script.actions) == 1 for script, _ in known)
    findings = [_finding(script, outcome, base, once) for script, outcome in runs]
    found: list[Symptom] = []
    for deviation, script in explained[1] if explained else ():
        outcome = dict(known)[script]
        names = deviation.value if isinstance(deviation.value, frozenset) else ()
        found.append(
            Symptom(
                deviation.mistake,
                ", ".join(sorted(names)) or script.of,
                f"{script.of}: {_shown(script, outcome)}; right is "
                f"{_shown(script, _right(script, base)[0])}; this mistake gives what you have",
            )
        )
    return findings, found, explained[0] if explained else None


def _partials(engine: Engine, measured: Mapping[str, Measured]) -> Any:
    """The derivatives of sums and products: right ones, or the engine's own where it has others."""

    @cache
    def partials(name: str, xs: tuple[float, ...]) -> Sequence[float]:
        each = measured[name]
        if name in (SUM, PRODUCT) and each.rule_is_right:
            return _exact(name, xs)
        found = engine.run(each.offered.function, xs)
        if isinstance(found, Failure):
            return [math.nan] * len(xs)
        turned = (
            each.shuffled
            and name in (SUM, PRODUCT)
            and not _in_order(each, found[1], _exact(name, xs))
        )
        return found[1][::-1] if turned else found[1]

    return partials


def _in_order(each: Measured, found: Sequence[float], exact: Sequence[float]) -> bool:
    """Whether the operand whose rule is right has its own derivative."""
    right = [k for k in (0, 1) if each.operand_is_right(k)]
    return all(abs(found[k] - exact[k]) <= 1e-6 * abs(exact[k]) for k in right[:1])


def _values(script: Script, functions: Mapping[str, Function] | None = None) -> list[float]:
    table: Mapping[str, Any] = functions or {SUM: lambda x, y: x + y, PRODUCT: lambda x, y: x * y}
    values = [*script.leaves]
    for name, operands in script.steps:
        values.append(table[name](*(values[k] for k in operands)))
    return values


def _run(
    engine: NodeEngine, script: Script, functions: Mapping[str, Function]
) -> Outcome | Failure:
    def run() -> Outcome:
        nodes = [engine.leaf(x) for x in script.leaves]
        leaves = nodes[:]
        for name, operands in script.steps:
            nodes.append(functions[name](*(nodes[k] for k in operands)))
        found = []
        for root in script.actions:
            if root is None:
                for leaf in leaves:
                    engine.clear(leaf)
            else:
                engine.backward(nodes[root])
                found.append(tuple(engine.number(leaf.grad) or 0.0 for leaf in leaves))
        return tuple(found)

    return engine.limit(run)


def _transformed(
    engine: Engine, script: Script, functions: Mapping[str, Function]
) -> Outcome | Failure:
    def program(*xs: Any) -> Any:
        nodes = [*xs]
        for name, operands in script.steps:
            nodes.append(functions[name](*(nodes[k] for k in operands)))
        return nodes[-1]

    found = engine.run(program, script.leaves)
    return found if isinstance(found, Failure) else (tuple(found[1]),)


def _alike(outcome: Outcome, other: Outcome) -> bool:
    return all(
        abs(x - y) <= 1e-5 * max(1.0, abs(y))
        for xs, ys in zip(outcome, other, strict=True)
        for x, y in zip(xs, ys, strict=True)
    )


def _right(script: Script, base: Habits) -> list[Outcome]:
    """What is right: leaves add up, or begin anew, which is a convention."""
    both = [predict(script, replace(base, leaves_reset=reset), _values(script), _exact)
            for reset in (False, True)]  # fmt: skip
    return [outcome for outcomes in both for outcome in outcomes]


def _exact(name: str, xs: tuple[float, ...]) -> Sequence[float]:
    return (1.0, 1.0) if name == SUM else (xs[1], xs[0])


def _finding(script: Script, outcome: Outcome | Failure, base: Habits, once: bool) -> Finding:
    right = _right(script, base)
    if isinstance(outcome, Failure):
        if once and len(script.actions) > 1 and not outcome.stopped:
            return Finding("graphs", script.of, "convention", got=str(outcome),
                           note="a second backward is refused, as in PyTorch")  # fmt: skip
        verdict: Verdict = "stopped" if outcome.stopped else "raises"
        return Finding("graphs", script.of, verdict, got=str(outcome),
                       want=_shown(script, right[0]))  # fmt: skip
    fits = [_alike(outcome, each) for each in right]
    if fits[0]:
        return Finding("graphs", script.of, "right")
    if any(fits):
        return Finding("graphs", script.of, "convention", got=_shown(script, outcome),
                       want=_shown(script, right[0]),
                       note="leaves begin anew at each backward; PyTorch's add up")  # fmt: skip
    return Finding("graphs", script.of, "wrong", got=_shown(script, outcome),
                   want=_shown(script, right[0]))  # fmt: skip


def _shown(script: Script, outcome: Outcome) -> str:
    """The first leaf's gradient after each pass; of two, where there are two of a kind."""
    leaves = 2 if script.leaves[1:] and script.of.startswith(("equal", "u =")) else 1
    return ", then ".join(" and ".join(f"{x:.9g}" for x in xs[:leaves]) for xs in outcome)


def _explain(
    base: Habits, runs: Sequence[tuple[Script, Outcome]], partials: Any
) -> tuple[Habits, list[tuple[_Deviation, Script]]] | None:
    """Find the fewest mistakes whose numbers are those of all graphs."""
    for count in range(4):
        for chosen in combinations(_DEVIATIONS, count):
            if len({each.field for each in chosen}) < count or _clash(chosen):
                continue
            for reset in (False, True):
                changes = {each.field: each.value for each in chosen}
                habits = replace(base, leaves_reset=reset, **changes)
                if _fits(habits, runs, partials):
                    return habits, [
                        (each, _witness(each, habits, runs, partials)) for each in chosen
                    ]
    return None


def _clash(chosen: Sequence[_Deviation]) -> bool:
    """Whether an operation would do two things with one gradient."""
    both = {each.field: each.value for each in chosen}
    return bool(both.get("loses", frozenset()) & both.get("adds", frozenset()))


def _fits(habits: Habits, runs: Sequence[tuple[Script, Outcome]], partials: Any) -> bool:
    return all(_shows(habits, script, outcome, partials) for script, outcome in runs)


def _shows(habits: Habits, script: Script, outcome: Outcome, partials: Any) -> bool:
    predicted = predict(script, habits, _values(script), partials)
    return any(_alike(outcome, each) for each in predicted)


def _witness(
    deviation: _Deviation, habits: Habits, runs: Sequence[tuple[Script, Outcome]], partials: Any
) -> Script:
    """The first graph whose numbers need this mistake."""
    default = next(each.default for each in fields(Habits) if each.name == deviation.field)
    changes: dict[str, Any] = {deviation.field: default}
    without = replace(habits, **changes)
    return next(s for s, outcome in runs if not _shows(without, s, outcome, partials))


# Every other operation within a graph

_WITHIN = (
    ("assigned_gradient", "assigns"),
    ("upstream_gradient_lost", "loses"),
    ("upstream_gradient_added", "adds"),
    ("gate_on_gradient", "gates"),
)


def _scripts_of(each: Measured) -> list[Script]:
    name = each.offered.name
    above = 1.5 if each.offered.right == "acosh" else 0.25
    if len(each.operands) == 1:
        return [
            Script(f"3·{name}", (above, 3.0), ((name, (0,)), (PRODUCT, (2, 1)))),
            Script(f"-3·({name} - 5)", (above, -5.0, -3.0),
                   ((name, (0,)), (SUM, (3, 1)), (PRODUCT, (4, 2)))),
            Script(f"x used by two: 2·{name} + 3·{name}", (above, 2.0, 3.0),
                   ((name, (0,)), (name, (0,)), (PRODUCT, (3, 1)), (PRODUCT, (4, 2)),
                    (SUM, (5, 6)))),
        ]  # fmt: skip
    if len(each.operands) == 2:
        return [
            Script(f"3·({name})", (above, 1.75, 3.0), ((name, (0, 1)), (PRODUCT, (3, 2)))),
            Script(f"x used by two: 2·({name}) + 3·({name})", (above, 1.75, 2.5, 2.0, 3.0),
                   ((name, (0, 1)), (name, (0, 2)), (PRODUCT, (5, 3)), (PRODUCT, (6, 4)),
                    (SUM, (7, 8)))),
            Script(f"{name}, y = x", (1.25,), ((name, (0, 0)),)),
        ]  # fmt: skip
    return []


def judge_within_graphs(
    engine: NodeEngine, measured: Mapping[str, Measured], habits: Habits
) -> tuple[list[Finding], list[Symptom]]:
    """Hold what an operation passes on within a graph against its own derivative alone."""
    functions = {name: each.offered.function for name, each in measured.items()}
    findings, found = [], []
    for name, each in measured.items():
        if name in (SUM, PRODUCT):
            continue
        scripts = [s for s in _scripts_of(each)]
        runs = [(script, _run(engine, script, functions)) for script in scripts]
        partials = _partials(engine, measured)
        values = {script: _numbers(engine, script, functions) for script, _ in runs}
        usable = [(s, r) for s, r in runs if not isinstance(r, Failure) and values[s] is not None
                  and _known(s, values[s], partials)]  # fmt: skip
        if not usable:
            continue

        def fits(
            habits: Habits, runs: Any = usable, values: Any = values, partials: Any = partials
        ) -> bool:
            return all(
                any(_alike(outcome, p) for p in predict(script, habits, values[script], partials))
                for script, outcome in runs
            )

        clean = Habits(leaves_reset=habits.leaves_reset, seed_is_value=habits.seed_is_value)
        wrong = [
            (s, r)
            for s, r in usable
            if not any(_alike(r, p) for p in predict(s, clean, values[s], partials))
        ]
        if not wrong:
            findings.append(Finding("graphs", f"{name} within a graph", "right"))
            continue
        script, outcome = wrong[0]
        (want, *_) = predict(script, clean, values[script], partials)
        findings.append(Finding("graphs", f"{name} within a graph", "wrong", script.of,
                                _shown(script, outcome), _shown(script, want)))  # fmt: skip
        if fits(habits):
            continue
        for count in (1, 2):
            chosen = next(
                (
                    some
                    for some in combinations(_WITHIN, count)
                    if fits(replace(habits, **{f: getattr(habits, f) | {name} for _, f in some}))
                ),
                None,
            )
            if chosen:
                found += [
                    Symptom(
                        mistake,
                        name,
                        f"{script.of}: {_shown(script, outcome)}; the rule alone gives "
                        f"{_shown(script, want)}; this mistake gives what you have",
                    )
                    for mistake, _ in chosen
                ]
                break
    return findings, found


def _known(script: Script, values: Sequence[float], partials: Any) -> bool:
    """Whether the engine has told every derivative: not where a seed of 0 hides it."""
    return all(
        math.isfinite(slope)
        for name, operands in script.steps
        for slope in partials(name, tuple(values[k] for k in operands))
    )


def _numbers(engine: NodeEngine, script: Script, functions: Mapping[str, Function]) -> Any:
    """The values of all nodes, by the engine itself."""

    def run() -> list[float]:
        nodes = [engine.leaf(x) for x in script.leaves]
        for name, operands in script.steps:
            nodes.append(functions[name](*(nodes[k] for k in operands)))
        return [engine.value(node) for node in nodes]

    found = engine.limit(run)
    return None if isinstance(found, Failure) else found


# Sizes, and what else an engine does with its nodes


def judge_sizes(
    engine: NodeEngine, sum_: Function, product: Function
) -> Iterator[tuple[Finding, str]]:
    """Deep, wide and many-pathed graphs, each with the mistake that it would show."""

    def chain(x: Any, step: Any) -> Any:
        for _ in range(2000):
            x = sum_(x, step)
        return x

    def diamonds(x: Any, half: Any) -> Any:
        for _ in range(40):
            x = sum_(product(x, half), product(x, half))
        return x

    def wide(x: Any, step: Any) -> Any:
        total = product(x, step)
        for _ in range(300):
            total = sum_(total, product(x, step))
        return total

    cases = (
        ("a sum of 300 terms", wide, 301 * 0.5, "recursion"),
        ("a chain of 2,000 nodes", chain, 1.0, "recursion"),
        ("40 diamonds, 2⁴⁰ paths", diamonds, 1.0, "paths_one_by_one"),
    )
    for of, program, want, mistake in cases:
        found = engine.run(program, [0.25, 0.5])
        if isinstance(found, Failure):
            deep = issubclass(found.kind, RecursionError)
            verdict: Verdict = "stopped" if found.stopped else "raises"
            yield (
                Finding("graphs", of, verdict, got=str(found), want=f"{want:g}"),
                ("recursion" if deep else mistake if found.stopped else ""),
            )
        else:
            right = abs(found[1][0] - want) <= 1e-4 * want
            yield Finding("graphs", of, "right" if right else "wrong", got=f"{found[1][0]:.9g}",
                          want=f"{want:g}"), ""  # fmt: skip


def judge_lives(engine: NodeEngine, product: Function) -> Iterator[tuple[Finding, str]]:
    """What becomes of nodes: read after a pass, changed before it, freed at the end."""

    def interior() -> float:
        x, y = engine.leaf(1.75), engine.leaf(2.5)
        node = product(x, y)
        engine.backward(product(node, engine.leaf(3.0)))
        return float(engine.gradient(node))

    found = engine.limit(interior)
    readable = isinstance(found, float) and abs(found - 3) < 1e-6
    if readable or found == 0 or isinstance(found, Failure):
        yield Finding("graphs", "an interior gradient", "right" if readable else "convention",
                      note="" if readable else "it is not kept to be read"), ""  # fmt: skip

    def changed() -> float:
        x, y = engine.leaf(1.75), engine.leaf(2.5)
        node = product(x, y)
        x.data = type(x.data)(10.0)
        engine.backward(node)
        return float(engine.gradient(y))

    found = engine.limit(changed)
    if found in (1.75, 10.0):
        when = "the forward pass" if found == 1.75 else "backward"
        yield Finding("graphs", "data changed before backward", "convention", got=f"{found:g}",
                      note=f"rules use the numbers of {when}"), ""  # fmt: skip

    def freed() -> str:
        x = engine.leaf(1.75)
        node = product(product(x, x), x)
        engine.backward(node)
        alive = weakref.ref(node)
        del node
        if alive() is None:
            return "at once"
        gc.collect()
        return "by the collector" if alive() is None else "never"

    when_freed = engine.limit(freed)
    if when_freed == "never":
        yield Finding("graphs", "freeing", "wrong", got="a graph that nobody holds stays alive",
                      want="it is freed"), "tape_never_cleared"  # fmt: skip
    elif isinstance(when_freed, str):
        collected = when_freed == "by the collector"
        yield Finding("graphs", "freeing", "convention" if collected else "right",
                      note="a cycle, for the collector" if collected else ""), ""  # fmt: skip
