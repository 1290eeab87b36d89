"""The house: who may import whom, what is public, and how the demos run."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from types import ModuleType

import pytest
from support.house import FLOORS

import microgradnet
from microgradnet.engine import COMPILED

ROOT = Path(microgradnet.__file__).parent
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages([str(ROOT)], "microgradnet.")
    if not module.name.endswith("__main__")
)


def imported(path):
    """The rooms of the package that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name


def room(name):
    """The first part of a dotted name within the package, or None."""
    parts = name.split(".")
    return parts[1] if parts[0] == "microgradnet" and len(parts) > 1 else None


def floor(name):
    return next(k for k, names in enumerate(FLOORS) if name in names)


FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_smaller_floors(path):
    here = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for name in imported(path):
        there = room(name)
        if there is None or there == here:
            continue
        if there == "__version__":
            assert here == "cli"
            continue
        assert floor(there) < floor(here), f"{here} imports {name}, from no floor below it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_folder_offers_is_in_its_init(path):
    here = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for name in imported(path):
        package, _, last = name.rpartition(".")
        if room(name) not in (None, here):
            inside = package.count(".") > 1
            if package.count(".") == 1 and name in MODULES:  # a module, or what bears its name
                inside = isinstance(getattr(importlib.import_module(package), last), ModuleType)
            assert not inside, f"{here} imports {name}, past its __init__"


def dotted(path):
    """The dotted name of a file's module."""
    return ".".join(("microgradnet", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    )


def modules_imported(path):
    """The package's own modules that a file imports, for a type checker alone or not."""
    for name in imported(path):
        found = name if name in MODULES else name.rpartition(".")[0]
        if found in MODULES:
            yield found


def private_names(path):
    """The underscored names of other modules that a file reads: from x import _y, and x._y."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("microgradnet"):
            for alias in node.names:
                if alias.name.startswith("_") and not alias.name.startswith("__"):
                    yield f"from {node.module} import {alias.name}"
                if f"{node.module}.{alias.name}" in MODULES:
                    modules.add(alias.asname or alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            private = node.attr.startswith("_") and not node.attr.startswith("__")
            if private and node.value.id in modules:
                yield f"{node.value.id}.{node.attr}"


NODE_SLOTS = {"_left", "_right"}
"""What the fast paths read of a node: `parents` would make a tuple of them each time."""
BY_OTHERS = {"_getframe", "_mpf_", "_repr_latex_"}
"""Public, in spite of their names: Python's, mpmath's and notebooks'."""


def private_attributes(path):
    """The underscored attributes that a file reads of any object and does not name itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = {getattr(node, "name", None) for node in ast.walk(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            own.add(node.value)  # a slot
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self", "cls"):
            own.add(node.attr)
    read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return {name for name in read - own if name.startswith("_") and not name.startswith("__")}


@pytest.mark.parametrize("path", FILES, ids=dotted)
def test_no_module_reads_a_private_name_of_another(path):
    assert not [*private_names(path)]
    fast = dotted(path) in ("microgradnet.backpropagation", "microgradnet.layerwise")
    assert private_attributes(path) - BY_OTHERS == (NODE_SLOTS if fast else set())


def test_a_private_name_of_another_module_is_seen(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "from microgradnet import recording, ops as table\nfrom microgradnet.engine import _node\n"
        "recording._lock, table._x, table.__name__, other._y\n",
        encoding="utf-8",
    )
    assert [*private_names(path)] == [
        "from microgradnet.engine import _node",
        "recording._lock",
        "table._x",
    ]
    path.write_text(
        "class A:\n    def f(self, b):\n        self._x = b._y, b._x\n", encoding="utf-8"
    )
    assert private_attributes(path) == {"_y"}


def circle(imports):
    """A circle in a graph of imports, as the modules on it; empty where there is none."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return []
        path.append(name)
        for other in sorted(imports.get(name, ())):
            found = visit(other)
            if found:
                return found
        path.pop()
        done.add(name)
        return []

    for name in sorted(imports):
        found = visit(name)
        if found:
            return found
    return []


def test_no_circle_of_imports_not_even_for_a_type_checker():
    imports = {dotted(path): {*modules_imported(path)} for path in FILES}
    assert circle(imports) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]


@pytest.mark.parametrize(
    ("first", "second"), [("microgradnet.engine", "delta"), ("microgradnet.delta", "engine")]
)
def test_the_engine_and_the_closed_form_never_load_each_other(first, second):
    # The package's own __init__ would load the engine, so an empty package stands in for it.
    code = (
        "import sys, types\n"
        "package = types.ModuleType('microgradnet')\n"
        f"package.__path__ = [{str(ROOT)!r}]\n"
        "sys.modules['microgradnet'] = package\n"
        f"import {first}\n"
        f"assert 'microgradnet.{second}' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is_and_what_it_offers(name, require_oracle):
    if room(name) == "interop":
        require_oracle("torch")  # the one library of an extra that the tests can do without
    module = importlib.import_module(name)
    assert module.__doc__ or COMPILED  # what mypyc makes of a file has no docstrings
    assert module.__all__
    for public in module.__all__:
        assert hasattr(module, public), f"{name}.__all__ names {public}, which is not there"


def test_public_names_are_there_and_documented():
    for name in microgradnet.__all__:
        public = getattr(microgradnet, name)
        assert public.__doc__ or COMPILED, f"microgradnet.{name} has no docstring"
    assert set(microgradnet.__all__) <= set(dir(microgradnet))
    with pytest.raises(AttributeError, match="frobnicate"):
        _ = microgradnet.frobnicate


# Those that no call of the user's lets through: a fallback catches them, or the command line does.
CAUGHT = {"IrrationalError", "KinkError", "Stopped", "UndecidedError", "UsageError"}


@pytest.mark.parametrize("name", MODULES)
def test_errors_that_can_reach_a_user_are_exported(name, require_oracle):
    if room(name) == "interop":
        require_oracle("torch")
    module = importlib.import_module(name)
    for public in set(module.__all__) - CAUGHT:
        thing = getattr(module, public)
        if isinstance(thing, type) and issubclass(thing, BaseException):
            assert getattr(microgradnet, public) is thing
            assert public in microgradnet.__all__
            assert public in microgradnet.__doc__


def test_what_the_tests_need_not_run_is_all_in_one_list():
    settings = ConfigParser()
    settings.read(ROOT.parent / "setup.cfg", encoding="utf-8")
    report = settings["coverage:report"]
    patterns = [*report["exclude_also"].split("\n"), *report["partial_also"].split("\n")]
    for path in FILES:
        assert not re.search(r"#\s*pragma:? no", path.read_text(encoding="utf-8")), path
    for pattern in filter(None, patterns):
        every = [ROOT / "__init__.py", *FILES]
        where = {p.name for p in every if re.search(pattern, p.read_text(encoding="utf-8"), re.M)}
        assert where, f"{pattern} is nowhere"
        assert where == {"engine.py"} or "TYPE_CHECKING" in pattern


NOUNS = re.compile(
    r"(The|A|An|What|Which|Whether|Where|How|One|Two|Both|Every|All|Of|Its|Some|Something|By) "
)
"""How a first line without a verb begins, for the most part."""
OTHERS = ("lifting", "judging")


@pytest.mark.parametrize("path", FILES, ids=dotted)
def test_docstrings_begin_with_what_a_thing_does(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            first = (ast.get_docstring(node) or "").partition("\n")[0]
            begins = NOUNS.match(first) and path.relative_to(ROOT).parts[0] not in OTHERS
            assert not begins, f"{path.name}, {node.name}: {first}"


@pytest.mark.parametrize("folder", ["microgradnet", "demos"])
def test_whoever_silences_a_checker_says_why(folder):
    silenced = re.compile(r"# (type: ignore|noqa)(?!(\[[\w-]+\]|: [A-Z]+\d+)  # \w)")
    for path in sorted((ROOT.parent / folder).rglob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not silenced.search(line), f"{path}:{number}: {line.strip()}"


def test_tests_have_names_of_their_own_and_import_from_no_other():
    paths = sorted((ROOT.parent / "tests").rglob("*.py"))
    names = [path.name for path in paths if path.name.startswith("test_")]
    assert len(names) == len(set(names)), "pytest imports a test module by its bare name"
    for path in paths:
        for name in imported(path):
            assert "test_" not in name, f"{path} imports {name}: move it to tests/support"


def test_a_star_import_does_not_hide_pythons_abs():
    names = {}
    exec("from microgradnet import *", names)
    assert "abs" not in names
    assert names["tanh"] is microgradnet.tanh


def test_importing_the_package_loads_the_engine_alone():
    lazy = {f"microgradnet.{name}" for name in ("chain_rule", *microgradnet._LAZY)}
    code = (
        "import sys, microgradnet; "
        f"print(sorted({lazy | {'numpy', 'rich', 'mpmath', 'sympy'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("demo", sorted((ROOT.parent / "demos").glob("*.py")), ids=lambda p: p.stem)
def test_demos_run_from_anywhere(demo, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "utf8", str(demo)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert not list(tmp_path.iterdir())


def test_no_test_declares_an_operation_for_all_others() -> None:
    """One declared while a file of tests is read would be in the table that every test walks."""
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        declared = [
            node.name
            for node in tree.body
            if isinstance(node, ast.FunctionDef)
            for decorator in node.decorator_list
            if isinstance(decorator, ast.Call)
            and isinstance(decorator.func, ast.Name)
            and decorator.func.id == "operation"
        ]
        assert declared == [], path
