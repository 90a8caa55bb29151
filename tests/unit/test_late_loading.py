"""Modules that load when they are used: once, whole, and again where it failed."""

from __future__ import annotations

import importlib
import sys
import threading

import pytest

from murder_fabric.late_loading import load_late


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return what makes a module of code, and its name; its code may add to `sys.looked`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "looked", [], raising=False)
    names = []

    def make(code):
        names.append(f"loaded_late_{len(names)}")
        (tmp_path / f"{names[-1]}.py").write_text(f"import sys\nsys.looked.append(__name__)\n{code}")
        return names[-1]

    yield make
    for name in names:
        sys.modules.pop(name, None)


def test_its_code_runs_once_and_when_it_is_looked_at(write):
    name = write("value = 7\ndef __getattr__(name): return name.upper()\n")
    module = load_late(name)
    assert (sys.looked, sys.modules[name]) == ([], module)
    assert (module.value, module.other, load_late(name).value) == (7, "OTHER", 7)
    assert sys.looked == [name]
    assert (importlib.import_module(name), importlib.reload(module)) == (module, module)


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "ImportError('no such thing')"])
def test_a_module_whose_code_was_interrupted_is_loaded_again_at_the_next_look(write, error):
    name = write(f"first = object()\nif len(sys.looked) == 1: early = 1; raise {error}\nlast = first\n")
    module = load_late(name)
    with pytest.raises((KeyboardInterrupt, ImportError)):
        _ = module.last
    assert module.last is module.first
    assert not hasattr(module, "early")
    assert sys.looked == [name, name]


def test_who_imports_what_was_interrupted_gets_all_of_it(write):
    name = write("if len(sys.looked) == 1: raise KeyboardInterrupt\nlast = 7\n")
    load_late(name)
    with pytest.raises(KeyboardInterrupt):
        importlib.import_module(name).last  # noqa: B018
    assert importlib.import_module(name).last == 7


def test_modules_that_look_at_each_other_load(write):
    other = write("from loaded_late_1 import first\n")
    name = write(f"first = 1\nimport {other}\nlast = {other}.first\n")
    assert load_late(name).last == 1


def test_another_thread_waits_until_all_is_there(write):
    name = write("sys.begun.set(); sys.go_on.wait(30)\nlast = 7\n")
    sys.begun, sys.go_on = threading.Event(), threading.Event()
    module, found = load_late(name), []
    threads = [threading.Thread(target=lambda: found.append(module.last)) for _ in range(3)]
    threads[0].start()
    assert sys.begun.wait(30)
    for thread in threads[1:]:
        thread.start()
    sys.go_on.set()
    for thread in threads:
        thread.join(30)
    assert (found, sys.looked) == ([7, 7, 7], [name])


@pytest.fixture
def package(tmp_path, write):
    """Return a package of two submodules that says which of its files ran."""
    name = write("from .late import big\nfrom .early import small\nrest = small, big\n")
    directory = tmp_path / name
    directory.mkdir()
    (tmp_path / f"{name}.py").rename(directory / "__init__.py")
    for part, code in (
        ("early", "from . import shared\nsmall = object()"),
        ("late", "big = 7"),
        ("shared", ""),
    ):
        (directory / f"{part}.py").write_text(f"import sys\nsys.looked.append('{part}')\n{code}\n")
    yield name
    for part in ("early", "late", "shared"):
        sys.modules.pop(f"{name}.{part}", None)


def test_of_a_package_with_parts_only_those_load_that_are_asked_for(package):
    module = load_late(package, {"small": "early", "gone": "early"})
    namespace = {}
    exec(f"from {package} import small\nimport {package}.early as early", namespace)
    assert sys.looked == ["early", "shared"]
    assert namespace["small"] is module.small is namespace["early"].small
    assert module.rest == (module.small, 7)
    assert sys.looked == ["early", "shared", package, "late"]


def test_a_part_that_is_not_where_it_was_is_looked_for_in_all_of_the_package(package):
    module = load_late(package, {"big": "early"})
    assert module.big == 7
    with pytest.raises(AttributeError, match="nothing"):
        _ = module.nothing


def test_who_searches_all_modules_loads_none(write):
    name = write("value = 7\n")
    module = load_late(name)
    found = (module.__name__, module.__file__.endswith(f"{name}.py"), hasattr(module, "__path__"))
    assert (found, sys.looked) == ((name, True, False), [])


def test_a_module_that_is_not_there_is_missed_at_once():
    with pytest.raises(ImportError, match=r"there is no module murder_fabric\.nothing"):
        load_late("murder_fabric.nothing")
