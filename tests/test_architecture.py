"""The house rules, as tests: who may import whom, who may do I/O, what size and what name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "murder_fabric"

#: What anybody above may use.
LEAVES = {"errors", "version", "units", "http_headers", "late_loading", "bencoding", "bitfield", "control"}
#: Room -> rooms it may import from. A room is a sub-package or a top-level module.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "version": set(),
    "units": set(),
    "http_headers": set(),
    "late_loading": set(),
    "bencoding": {"errors"},
    "bitfield": {"errors"},
    "control": {"errors"},
    "metainfo": {"errors", "bencoding", "bitfield"},
    "wire": {"errors", "http_headers", "bencoding", "bitfield"},
    "tracker": {"errors", "http_headers", "bencoding"},
    "storage": {"errors", "bencoding", "bitfield", "metainfo"},
    "policy": {"errors", "bitfield", "metainfo"},
    "swarm": {"errors", "version", "bitfield", "metainfo", "wire", "policy"},
    "net": LEAVES | {"metainfo", "wire", "tracker", "storage", "policy", "swarm"},
    "simulation": LEAVES | {"metainfo", "wire", "tracker", "storage", "policy", "swarm"},
    "deploy": LEAVES | {"metainfo", "storage", "tracker", "policy"},
    "agent": LEAVES | {"metainfo", "wire", "tracker", "storage", "policy", "swarm", "net"},
    "api": {"deploy"},
    "__init__": {"version", "api", "deploy"},
    "__main__": {"agent"},
}
#: Rooms of `deploy` -> what of it they may import, beside themselves.
WITHIN_DEPLOY = {
    "connecting": {"failures", "ranges", "roles", "settings", "spreading"},
    "watching": {"outcome"},
}
#: Third-party packages, and the only rooms that may import them.
THIRD_PARTY = {
    "bencodepy": {"bencoding"},
    "twisted": {"net", "agent"},
    "zope": {"net", "agent"},
    "automat": {"net", "agent"},
    "prometheus_client": {"net", "agent"},
    "fabric": {"deploy"},
    "invoke": {"deploy"},
    "paramiko": {"deploy"},
    "rich": {"deploy"},
}
#: The rest of the house takes `now`, a random source or bytes as arguments instead.
IMPURE = {
    *("asyncio", "concurrent", "multiprocessing", "os", "secrets", "select", "selectors", "signal"),
    *("socket", "subprocess", "tempfile", "threading", "time"),
}
#: Modules that load late have a lock each, as two threads may look at one.
MAY_BE_IMPURE = {"net", "agent", "deploy", "storage", "late_loading"}
#: Blocking file I/O is what storage is for; it has no clock and opens no socket.
NOT_EVEN_STORAGE = {"asyncio", "select", "selectors", "socket", "subprocess", "time"}
MAX_LINES = 400
MAX_FUNCTION_LINES = 50

MODULES = sorted(PACKAGE.rglob("*.py"))
EACH_MODULE = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))

WRONG_MODULES = {"utils", "common", "core", "helpers", "misc", "manager", "handler", "processor", "engine"}
WRONG_CLASSES = re.compile(r"(Manager|Handler|Processor|Engine|Helper|Impl)$|^_*Base[A-Z]")
#: Words for things that have another name here (pieces and blocks, hosts, deploys).
WRONG_WORDS = re.compile(
    r"(^|_)(chunks?|slices?|nodes?|masters?|jobs?)(_|$)|(Chunk|Slice|Node|Master|Job)(?![a-z])"
)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path) -> Iterator[str]:
    """Yield the absolute dotted name of everything *path* imports, lazily or not, for types or not."""
    package = ("murder_fabric", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{prefix}.{alias.name}" for alias in node.names)


def is_wrong_import(here: str, name: str) -> bool:
    top, *rest = name.split(".")
    if top == "murder_fabric":
        below = rest[0] if rest else here
        return below != here and below in MAY_IMPORT and below not in MAY_IMPORT[here]
    if top in NOT_EVEN_STORAGE and here == "storage":
        return True
    return here not in THIRD_PARTY.get(top, {here}) or (top in IMPURE and here not in MAY_BE_IMPURE)


@pytest.mark.parametrize("inner", WITHIN_DEPLOY)
def test_the_rooms_of_deploy_know_little_of_what_is_beside_them(inner: str) -> None:
    modules = sorted((PACKAGE / "deploy" / inner).glob("*.py"))
    assert modules
    for path in modules:
        beside = {name.split(".")[2] for name in imports(path) if name.startswith("murder_fabric.deploy.")}
        assert beside <= WITHIN_DEPLOY[inner] | {inner}, path


def test_of_policy_the_operator_knows_what_a_standstill_is_and_how_much_is_too_much() -> None:
    modules = sorted((PACKAGE / "deploy").rglob("*.py"))
    names = {".".join(name.split(".")[:3]) for path in modules for name in imports(path)}
    assert {name for name in names if name.startswith("murder_fabric.policy")} == {
        "murder_fabric.policy.pacing",
        "murder_fabric.policy.stalling",
    }


@EACH_MODULE
def test_imports_point_downwards(path: Path) -> None:
    assert room(path) in MAY_IMPORT, "a new room: say in the table what it may import"
    assert [name for name in imports(path) if is_wrong_import(room(path), name)] == []


@pytest.mark.parametrize(
    ("here", "name"),
    [
        ("wire", "murder_fabric.swarm.session"),
        ("swarm", "murder_fabric.storage.payload"),
        ("agent", "murder_fabric.deploy.settings"),
        ("agent", "fabric.Connection"),
        ("deploy", "murder_fabric.agent.swarming"),
        ("deploy", "twisted.internet"),
        ("policy", "time"),
        ("swarm", "os.urandom"),
        ("storage", "socket"),
    ],
)
def test_the_rule_sees_what_it_is_for(here: str, name: str) -> None:
    assert is_wrong_import(here, name)


def test_the_table_has_no_cycle() -> None:
    done: set[str] = set()
    while len(done) < len(MAY_IMPORT):
        ready = {one for one, below in MAY_IMPORT.items() if one not in done and below <= done}
        assert ready, f"cycle among {set(MAY_IMPORT) - done}"
        done |= ready


def test_one_function_knows_the_global_reactor() -> None:
    knowing = [
        (path.name, isinstance(where, (ast.FunctionDef, ast.AsyncFunctionDef)) and where.name)
        for path in MODULES
        for where in ast.walk(tree(path))
        for node in ast.iter_child_nodes(where)
        if isinstance(node, ast.ImportFrom)
        and node.module == "twisted.internet"
        and any(alias.name == "reactor" for alias in node.names)
    ]
    assert knowing == [("running.py", "run")]


@EACH_MODULE
def test_rooms_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION_LINES, node.name


@EACH_MODULE
def test_every_module_says_what_it_is_for_in_its_first_line(path: Path) -> None:
    docstring = ast.get_docstring(tree(path))
    assert docstring
    assert docstring.splitlines()[0].strip()


@EACH_MODULE
def test_nothing_is_kept_at_module_level_that_changes(path: Path) -> None:
    """A name in capitals may hold a table, which nobody writes to; other names hold no containers."""
    changing = []
    for node in tree(path).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if isinstance(value, (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)):
            changing += [name for name in names if name != name.upper() and name != "__all__"]
    assert changing == []
    assert [node for node in ast.walk(tree(path)) if isinstance(node, ast.Global)] == []


def defined_names(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


@EACH_MODULE
def test_things_have_the_names_of_the_house(path: Path) -> None:
    assert path.stem not in WRONG_MODULES
    names = defined_names(path)
    assert sorted({name for name in names if WRONG_CLASSES.search(name) or WRONG_WORDS.search(name)}) == []


@EACH_MODULE
def test_nothing_is_left_to_be_done(path: Path) -> None:
    assert re.findall(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", path.read_text()) == []


@EACH_MODULE
def test_modules_parse_as_python_3_9(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 9))


@EACH_MODULE
def test_annotations_are_never_evaluated(path: Path) -> None:
    """`X | None` is legal in an annotation on 3.9 only then; setuptools reads the version by parsing."""
    if path.name not in ("version.py", "bootstrap_program.py"):
        assert "__future__.annotations" in set(imports(path)) or len(tree(path).body) == 1
