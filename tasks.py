"""Tasks for whoever works on this project; `./dev --list` names them."""

from __future__ import annotations

import glob
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.runners import Result
from invoke.tasks import task

REPOSITORY = Path(__file__).resolve().parent
LAB = REPOSITORY / "lab" / "run"
VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
#: Fabric 3.2.3 refuses Invoke 3; the release before it takes either.
OTHER_PAIR = ("fabric==3.2.2", "invoke==3.0.3")
FAB_TESTS = "tests/integration/test_fab.py tests/integration/test_program.py"
#: Tests that start no programs do not mind each other; those that do go one after the other.
SIDE_BY_SIDE = "-q -n auto --maxprocesses 8"
WITHOUT_PROGRAMS = "tests/unit tests/fuzz tests/simulation tests/test_architecture.py"
WITH_PROGRAMS = "tests/faults tests/integration"
#: Stock clients wait for timers of their own most of the time, whatever else runs.
WITH_STOCK_CLIENTS = "-q -n 4 tests/interop"
#: What Invoke leaves alone: `inv test -- -k lab`.
REST = shlex.join(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else [])
PYTHON = shlex.quote(sys.executable)
#: What pytest ends with where no test is left.
NOTHING_RAN = 5


@task(
    help={
        "hosts": "how many hosts (default 8)",
        "size": "of the tree, such as 200MB (default 48MB)",
        "files": "how many files (default 3000)",
    }
)
def demo(c: Context, hosts: str = "8", size: str = "48MB", files: str = "3000") -> None:
    """Deploy a tree twice to hosts inside one process here, and compare every byte."""
    argv = [sys.executable, "-m", "demo.demo", f"--hosts={hosts}", f"--size={size}", f"--files={files}"]
    with c.cd(str(REPOSITORY)):
        done = c.run(shlex.join(argv), warn=True, pty=sys.stdout.isatty())
    raise as_ended(done)


@task
def pictures(c: Context) -> None:
    """Draw the pictures of the live view in docs/images/ again."""
    with c.cd(str(REPOSITORY)):
        c.run(f"{PYTHON} -m demo.pictures")


@task(help={"all-versions": "also the unit tests on every other Python, and the other Fabric (default: yes)"})
def test(c: Context, all_versions: bool = True) -> None:  # noqa: PT028
    """
    Run the tests; `./dev test -k lab` hands that to pytest, and then only this Python is tested.

    Where CI is set, of the other Pythons only the oldest and the newest.
    """
    with c.cd(str(REPOSITORY)):
        runs = []
        if all_versions and not REST:
            others = [*other_pythons().items()]
            if os.environ.get("CI"):  # which has half an hour for everything
                others = [*others[:1], *others[1:][-1:]]
            runs += [
                (f"Python {name}", environment(c, name, python), f"{SIDE_BY_SIDE} tests/unit")
                for name, python in others
            ]
            other_fabric = environment(c, "other-fabric", sys.executable, *OTHER_PAIR)
            runs.append((" and ".join(OTHER_PAIR), other_fabric, f"-q {FAB_TESTS}"))
        if not REST:
            runs.append(("this Python, without programs", PYTHON, f"{SIDE_BY_SIDE} {WITHOUT_PROGRAMS}"))
            runs.append(("this Python, with stock clients", PYTHON, WITH_STOCK_CLIENTS))
        # Last, so that its summary is what one sees at the end.
        runs.append(("this Python", PYTHON, REST or WITH_PROGRAMS))
        failed = []
        for name, python, arguments in runs:
            print(f"== {name}", file=sys.stderr, flush=True)
            done = c.run(f"{python} -m pytest {arguments}", warn=True, pty=sys.stdout.isatty())
            if not done or done.failed:
                failed.append(name)
        if failed == ["this Python"]:
            raise Exit(code=1)  # pytest has just said why
        if failed:
            raise Exit(f"test: failed with {'; '.join(failed)}", code=1)


@task(
    help={
        "rows": "which, such as pipe,swarm (default: all); most need root",
        "rounds": "of each row (default 3)",
        "small": "few hosts and little data, to see that it works",
    }
)
def bench(c: Context, rows: str = "", rounds: str = "3", small: bool = False) -> None:
    """Measure ours beside other clients and tools; figures go to bench/results/."""
    # It has wheels for some machines only; where it has none, it is reported as missing.
    wheels = "--quiet --disable-pip-version-check --only-binary :all:"
    c.run(f"{PYTHON} -m pip install {wheels} libtorrent", warn=True, hide=True)
    argv = [sys.executable, "-m", "bench", f"--rounds={rounds}"]
    argv += [f"--rows={rows}"] * bool(rows) + ["--small"] * small
    with c.cd(str(REPOSITORY)):
        done = c.run(shlex.join(argv), warn=True, pty=sys.stdout.isatty())
    raise as_ended(done)


@task(
    help={
        "seeds": "how many (default 500)",
        "first": "the first of them (default 1)",
    }
)
def simulate(c: Context, seeds: str = "500", first: str = "1") -> None:
    """Run the swarm on virtual time with the faults that seeds draw, on all cores."""
    with c.cd(str(REPOSITORY)):
        argv = [sys.executable, "tests/simulation/long_run.py", f"--seeds={seeds}", f"--first={first}"]
        done = c.run(shlex.join(argv), warn=True, pty=False)
    raise as_ended(done)


@task(
    help={
        "inputs": "how many chance draws for each parser (default 1000000)",
        "seed": "the first seed, of which each draws 50000 of them (default: another one each time)",
        "examples": "how many Hypothesis draws for each of its tests (default 1000)",
        "seconds": "let atheris look for inputs that reach new code instead, for so long with each parser",
    }
)
def fuzz(
    c: Context, inputs: str = "1000000", seed: str = "", examples: str = "1000", seconds: str = "0"
) -> None:
    """Feed every parser inputs that are almost right, on all cores."""
    seed = seed or str(random.randrange(1, 10**9))
    wanted = {
        # Of few, a parser may take all or none, and two seeds may draw the same: tests do not let that pass.
        "INPUTS": number("--inputs", inputs, 1000),
        "SEED": number("--seed", seed),
        "EXAMPLES": number("--examples", examples, 10),
    }
    numbers = {f"MURDER_FUZZ_{name}": str(value) for name, value in wanted.items()}
    if guided := number("--seconds", seconds, 0):
        command = f"{PYTHON} tests/fuzz/guided.py --seconds={guided}"
    else:
        command = f"{PYTHON} -m pytest -q -n auto --durations=0 tests/fuzz"
        print(f"fuzz: seed {seed}", file=sys.stderr, flush=True)
    with c.cd(str(REPOSITORY)):
        done = c.run(command, env=numbers, warn=True, pty=sys.stdout.isatty())
    raise as_ended(done)


@task(help={"times": "how often each is run (default 3)", "rows": "what pytest -k takes, such as row_12"})
def faults(c: Context, times: str = "3", rows: str = "") -> None:
    """Let real processes and hosts suffer the faults of docs/reliability.md, all of them (needs root)."""
    chosen = f" -k {shlex.quote(rows)}" if rows else ""
    failed, often = False, number("--times", times)
    with c.cd(str(REPOSITORY)):
        for turn in range(1, often + 1):
            print(f"== {turn} of {often}", file=sys.stderr, flush=True)
            done = c.run(
                f"{PYTHON} -m pytest -q --durations=10 tests/faults{chosen}",
                env={"MURDER_FAULTS": "all"},
                warn=True,
                pty=sys.stdout.isatty(),
            )
            if done is not None and done.exited == NOTHING_RAN:
                raise Exit(f"faults: --rows {rows!r:.60} names no test; row_12 names those of row 12", code=2)
            if done is None or done.exited > 1:  # Ctrl-C, or what is no test's fault
                raise as_ended(done)
            failed |= not done
    raise Exit(code=int(failed))


@task(
    help={
        "deploys": "how many (default 50)",
        "seed": "of the faults that are drawn (default 1)",
    }
)
def soak(c: Context, deploys: str = "50", seed: str = "1") -> None:
    """Deploy back to back, with a fault each time; nothing may be lost, and nothing stay (needs root)."""
    wanted = {"SOAK": number("--deploys", deploys), "SOAK_SEED": number("--seed", seed)}
    with c.cd(str(REPOSITORY)):
        done = c.run(
            f"{PYTHON} -m pytest -q -s tests/faults/test_soak.py",
            env={"MURDER_FAULTS": "all", **{f"MURDER_{name}": str(value) for name, value in wanted.items()}},
            warn=True,
            pty=sys.stdout.isatty(),
        )
    raise as_ended(done)


@task
def planted(c: Context) -> None:
    """Plant each bug of tests/planted in a copy, and say which the tests find."""
    with c.cd(str(REPOSITORY)):
        done = c.run(f"{PYTHON} tests/planted/run.py", warn=True, pty=False)
    raise as_ended(done)


@task
def lint(c: Context) -> None:
    """Check style and format."""
    with c.cd(str(REPOSITORY)):
        c.run(f"{PYTHON} -m ruff check .")
        c.run(f"{PYTHON} -m ruff format --check .")


@task
def types(c: Context) -> None:
    """Check annotations, strictly."""
    with c.cd(str(REPOSITORY)):
        c.run(f"{PYTHON} -m mypy")
        c.run(f"{PYTHON} -m mypy lab demo bench tasks.py")


@task
def docs(c: Context) -> None:
    """Build the site of docs/ at docs/_build/html; a warning is an error."""
    with c.cd(str(REPOSITORY)):
        c.run(f"{PYTHON} -m sphinx -q -W --keep-going -b html -d docs/_build/doctrees docs docs/_build/html")


@task
def changes(c: Context) -> None:
    """Show the changelog as the next release would have it."""
    with c.cd(str(REPOSITORY)):
        c.run(f"{PYTHON} -m towncrier build --draft --version next")


@task
def package(c: Context) -> None:
    """Build sdist and wheel in dist/, check them, and run the programs where nothing else is installed."""
    shutil.rmtree(REPOSITORY / "dist", ignore_errors=True)
    with c.cd(str(REPOSITORY)), tempfile.TemporaryDirectory() as place:
        c.run(f"{PYTHON} -m build --outdir dist .", hide="both")
        c.run(f"{PYTHON} -m twine check --strict dist/*")
        (wheel,) = (REPOSITORY / "dist").glob("*.whl")
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        c.run(f"{place}/bin/pip install --quiet --disable-pip-version-check {shlex.quote(str(wheel))}")
        shutil.copy(REPOSITORY / "fabfile.py", place)
        with c.cd(place):
            c.run("bin/fab --list && bin/murder --version && bin/murder-agent --help", hide="out")
    print(f"dist/{wheel.name} works where nothing else is installed")


@task(help={"database": "a directory of advisories (OSV), such as a checkout of pypa/advisory-database"})
def audit(c: Context, database: str = "") -> None:
    """Say what is known against the packages we need; without a database, as PyPI tells pip-audit."""
    place = os.path.abspath(database) if database else ""
    with c.cd(str(REPOSITORY)):
        done = c.run(f"{PYTHON} .ci/audit.py {shlex.quote(place) if place else ''}", warn=True)
    raise as_ended(done)


@task(
    help={
        "hosts": "how many hosts, web1 to webN (default 8)",
        "rate": "of every host's link, each way, such as 100mbit (default: unshaped)",
        "python": "what the hosts have as python3 (default: the system's)",
    }
)
def up(c: Context, hosts: str = "8", rate: str = "", python: str = "") -> None:
    """Put up hosts with real sshd as network namespaces (needs root)."""
    from lab.machine import LabError
    from lab.rig import Lab

    count = number("--hosts", hosts)
    try:
        Lab(LAB, hosts=count, rate=rate or None, python=python or None).up()
    except LabError as error:
        raise Exit(f"lab: {error}", code=2) from None
    print(f"{count} hosts are up: ssh -F {LAB.relative_to(REPOSITORY)}/ssh_config web1")


@task
def down(c: Context) -> None:
    """Remove the hosts, what runs on them and their files."""
    from lab.machine import LabError
    from lab.rig import Lab

    print("lab: hosts, what runs on them and their files are being removed", flush=True)
    try:
        Lab(LAB).down()
    except LabError as error:
        raise Exit(f"lab: {error}", code=2) from None


def number(flag: str, given: str, least: int = 1) -> int:
    """
    Return the number that a flag was given.

    Raises:
        Exit: it is none, or less than *least*.
    """
    if not re.fullmatch("[0-9]{1,9}", given) or int(given) < least:
        raise Exit(f"{flag} {given!r:.60}: it must be a whole number from {least:,} to 999,999,999", code=2)
    return int(given)


def as_ended(done: Result | None) -> Exit:
    """Return what ends this program as the command ended that it has run."""
    return Exit(code=1 if done is None else done.exited)


def other_pythons() -> dict[str, str]:
    """Return version -> interpreter, oldest first, for those of `VERSIONS` here but this one."""
    found: dict[str, str] = {}
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for version in VERSIONS:
        places = [*sorted(glob.glob(f"{pyenv}/versions/{version}.*/bin/python"))]
        places += [f"{directory}/python{version}" for directory in ("/usr/local/bin", "/usr/bin")]
        places = [place for place in places if os.access(place, os.X_OK)]
        if places and version != f"{sys.version_info[0]}.{sys.version_info[1]}":
            found[version] = places[-1] if places[-1].startswith(pyenv) else places[0]
    return found


def environment(c: Context, name: str, python: str, *pins: str) -> str:
    """Return the interpreter of the kept environment `.tox-venvs/<name>`: the tests' needs and *pins*."""
    place = REPOSITORY / ".tox-venvs" / name
    wanted = zlib.crc32((REPOSITORY / "setup.cfg").read_bytes() + python.encode() + " ".join(pins).encode())
    mark = place / f"complete-{wanted:08x}"
    if not mark.exists():
        subprocess.run([python, "-m", "venv", "--clear", str(place)], check=True)
        packages = shlex.join(["--editable", f"{REPOSITORY}[test,demo]", *pins])
        c.run(f"{place}/bin/python -m pip install --quiet --disable-pip-version-check {packages}")
        mark.touch()
    return shlex.quote(f"{place}/bin/python")


ns = Collection(
    demo,
    pictures,
    test,
    bench,
    simulate,
    fuzz,
    faults,
    soak,
    planted,
    lint,
    types,
    docs,
    changes,
    package,
    audit,
    lab=Collection("lab", up, down),
)
