"""What importing the package brings with it: as little as possible."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

import murder_fabric


def modules_after(statement, depth=1):
    code = f"import sys; {statement}; print(*{{'.'.join(name.split('.')[:{depth}]) for name in sys.modules}})"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.split()
    )


#: A peer whose torrent is missing ends when it has loaded what it needs.
STARTING = (
    "from murder_fabric.agent.cli import run_command_line;"
    " run_command_line(['peer', 'none', 'none', '--listen', '127.0.0.1:0'])"
)


def test_the_agent_can_import_the_package_on_a_host_without_fabric():
    assert modules_after("import murder_fabric").isdisjoint({"fabric", "invoke", "paramiko", "twisted"})


def test_the_operators_side_never_imports_twisted():
    loaded = modules_after("from murder_fabric import murder")
    assert "fabric" in loaded
    assert "twisted" not in loaded


def test_listing_the_tasks_loads_nothing_that_they_do():
    """`fab --list` and each TAB of completion import the fabfile."""
    loaded = modules_after("from murder_fabric import murder; murder.task_names", depth=2)
    assert "murder_fabric.deploy" in loaded
    assert loaded.isdisjoint(
        {f"murder_fabric.{room}" for room in ("control", "metainfo", "storage", "tracker")}
    )


def test_listing_the_tasks_loads_next_to_nothing_that_fab_has_not_loaded_itself():
    code = (
        "import sys, fabric.main; before = set(sys.modules);"
        " from murder_fabric import murder; murder.task_names; print(*set(sys.modules) - before)"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    others = {name for name in shown.split() if not name.startswith("murder_fabric")}
    # The last one fab loads itself from 3.11 on.
    assert others <= {"concurrent.futures.thread", "gc", "ipaddress"}


def test_a_peer_started_by_hand_loads_nothing_of_operators():
    """A swarm on a machine of two cores waits for each of its processes to start."""
    loaded = modules_after(STARTING, depth=2)
    assert "murder_fabric.swarm" in loaded
    assert loaded.isdisjoint({"murder_fabric.control", "murder_fabric.deploy", "twisted.web"})


def test_a_peer_started_by_hand_loads_nothing_that_twisted_names_and_it_never_uses():
    loaded = modules_after(f"{STARTING}; from twisted.internet import reactor", depth=3)
    assert {"twisted.internet.defer", "twisted.internet.tcp", "asyncio.futures"} <= loaded
    brought = {"http.client", "email", "ssl", "asyncio.base_events", "concurrent.futures._base", "_pickle"}
    assert loaded.isdisjoint(brought | {"importlib.resources", "tempfile", "shutil", "bz2", "lzma"})
    assert loaded.isdisjoint({"murder_fabric.net.web_seed", "murder_fabric.wire.web_seed"})


@pytest.mark.parametrize(
    "use",
    [
        "import asyncio; assert asyncio.run(asyncio.sleep(0, 7)) == 7; asyncio.create_subprocess_exec",
        "from asyncio import *; from twisted.internet import defer; assert Future is defer.Future",
        "import asyncio.subprocess as part, asyncio; assert asyncio.subprocess is part",
        "import pickle, pathlib; assert pickle.loads(pickle.dumps(pathlib.Path('a'))).name == 'a'",
        "from concurrent.futures import ThreadPoolExecutor as T; assert T(1).submit(int).result() == 0",
        "import tokenize, textwrap, inspect, traceback; inspect.getmodule(print); traceback.print_stack();"
        " assert textwrap.indent('a', ' ') == ' a' and tokenize.NAME == 1",
    ],
)
def test_what_an_agent_has_not_loaded_is_all_there_for_whoever_uses_it(use):
    assert "murder_fabric.swarm" in modules_after(f"{STARTING}; {use}", depth=2)


def test_loading_a_command_leaves_garbage_to_be_collected():
    code = f"import gc; {STARTING}; print(gc.isenabled(), gc.get_freeze_count() > 10000)"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown.split() == ["True", "True"]


@pytest.mark.parametrize(("before", "frozen"), [("import fabric.main;", "True"), ("", "False")])
def test_what_is_loaded_is_searched_for_no_garbage_under_fab_and_else_left_as_it_is(before, frozen):
    code = f"import gc; {before} from murder_fabric import murder"
    code += "; print(gc.isenabled(), gc.get_freeze_count() > 10000)"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown.split() == ["True", frozen]


def test_a_lazy_module_is_the_module_itself():
    code = "from murder_fabric.deploy.lazily import lazily; m = lazily('recipes')"
    code += "; from murder_fabric.deploy import recipes; print(m is recipes, m.start_tracker.__module__)"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown.split() == ["True", "murder_fabric.deploy.recipes"]


def test_a_module_that_loads_late_is_not_loaded_by_being_imported_but_by_being_used():
    code = "import sys; from murder_fabric.late_loading import load_late; load_late('http.cookiejar')"
    code += "; from http import cookiejar; print('http.client' in sys.modules)"
    code += "; cookiejar.CookieJar(); print('http.client' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown.split() == ["False", "True"]


@pytest.mark.parametrize(
    "first",
    ["", "import murder_fabric.deploy", "from murder_fabric import murder", "from murder_fabric import api"],
)
def test_deploy_is_a_function_whatever_was_imported_before(first):
    """And stays the package of that name."""
    code = (
        f"{first}; from murder_fabric import deploy, fetch; from murder_fabric.errors import BadInput".lstrip(
            "; "
        )
    )
    code += """
import murder_fabric.deploy.ranges as ranges
assert callable(deploy) and callable(fetch) and callable(ranges.fold)
try:
    deploy("web1", tag="v1")
except BadInput as error:
    print(error.result.task, error.result.exit_code)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("deploy 2\n", "")


def test_everything_that_is_promised_is_there():
    assert all(getattr(murder_fabric, name) is not None for name in murder_fabric.__all__)


def test_every_directory_with_modules_is_a_package_and_so_in_the_wheel():
    root = pathlib.Path(murder_fabric.__file__).parent
    places = {module.parent for module in root.rglob("*.py")}
    assert len(places) > 10
    assert [place for place in places if not (place / "__init__.py").exists()] == []
    assert (root / "py.typed").exists()


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'deplyo'"):
        _ = murder_fabric.deplyo
