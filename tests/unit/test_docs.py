"""What the documentation says is what the code does: examples run, tables match, links lead somewhere."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from murder_fabric import errors
from murder_fabric.agent.cli import _parser
from murder_fabric.deploy.ranges import expand, fold
from murder_fabric.deploy.settings import SECTION, Settings
from murder_fabric.deploy.tasks import murder

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
HOST_RANGES = (ROOT / "docs" / "host-ranges.md").read_text()
SITE = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [*sorted(ROOT.glob("*.md")), *SITE, ROOT / "vagrant" / "README.md"]
UNITS = {"": 1, "s": 1, "ms": 1, "KiB": 1 << 10, "MiB": 1 << 20}


def code_blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Return the words of each line after a `$` in the console blocks."""
    lines = [line for block in code_blocks(text, "console") for line in block.splitlines()]
    return [shlex.split(line[2:], comments=True) for line in lines if line.startswith("$ ")]


def our_commands() -> Iterator[tuple[Path, list[str]]]:
    """Yield what all pages tell to type of ours: in console blocks, and after `fab` in backticks."""
    for page in PAGES:
        inline = re.findall(r"`(fab [^`…]*)`", page.read_text())
        for command in [*commands(page.read_text()), *map(shlex.split, inline)]:
            if command[0] in ("fab", "murder", "murder-agent"):
                yield page, command


def check_command(command: list[str]) -> None:
    """The task is there, and has the options."""
    program, *arguments = command
    if program == "murder-agent":
        assert _parser().parse_args(arguments).command == arguments[0]
        return
    prefix = "murder." if program == "fab" else ""
    names = {f"{prefix}{name}": murder[name] for name in murder.task_names}
    places = [place for place, word in enumerate(arguments) if word in names]
    if not places:
        assert not [word for word in arguments if word.startswith("murder.")], "there is no such task"
        return
    task = names[arguments[places[0]]]
    flags = {flag for argument in task.get_arguments() for flag in argument.names}
    given = {word[2:].replace("-", "_") for word in arguments[places[0] :] if word.startswith("--")}
    assert {flag.replace("-", "_") for flag in flags} >= given


def rows(text: str) -> list[list[str]]:
    """Return the cells of all table rows."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]


def anchors(page: Path) -> set[str]:
    """Return what `#…` may say of a page, as GitHub makes it of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def resolve(name: str) -> Any:
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise AssertionError(f"there is no {name}")


def test_the_readmes_fabfile_loads_and_lists_the_tasks(tmp_path: Path) -> None:
    (fabfile,) = code_blocks(README, "python")
    (tmp_path / "fabfile.py").write_text(fabfile)
    done = subprocess.run(
        [Path(sys.executable).with_name("fab"), "--list"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "murder.deploy" in done.stdout


def test_the_repositorys_fabfile_is_the_readmes() -> None:
    (fabfile,) = code_blocks(README, "python")
    assert (ROOT / "fabfile.py").read_text().endswith(fabfile)


def test_the_readmes_settings_are_settings() -> None:
    yaml = pytest.importorskip("invoke.vendor.yaml")
    (example,) = code_blocks(README, "yaml")
    settings = Settings.from_config(yaml.safe_load(example))
    assert settings.failures_allowed(100) == 2
    assert len(expand("@canary,!web1", roles=settings.roles)) == 4


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_on_a_page_can_be_read_and_imports_what_there_is(page: Path) -> None:
    for block in code_blocks(page.read_text(), "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("murder_fabric"):
                module = importlib.import_module(str(node.module))
                assert [name.name for name in node.names if not hasattr(module, name.name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_that_a_page_shows_are_settings(page: Path) -> None:
    yaml = pytest.importorskip("invoke.vendor.yaml")
    for block in re.findall(r"^ *```yaml\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL):
        if f"{SECTION}:" in block:
            Settings.from_config(yaml.safe_load(block))


@pytest.mark.parametrize(
    ("page", "command"),
    list(our_commands()),
    ids=lambda value: value.name if isinstance(value, Path) else None,
)
def test_commands_of_ours_exist_with_their_options(page: Path, command: list[str]) -> None:
    check_command(command)


def test_other_programs_of_the_readme_are_pip_or_in_the_repository() -> None:
    for program, *_ in commands(README):
        assert program in ("pip", "fab", "murder", "murder-agent") or (ROOT / program).exists()


def test_every_task_of_murders_book_is_there_with_a_line_that_runs() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text()
    tasks = [cells for cells in rows(page) if re.match(r"`(murder:|set :)", cells[0])]
    assert len(tasks) == 13
    for theirs, ours, line in tasks:
        names = re.findall(r"`murder\.([a-z-]+)`", ours)
        assert theirs.startswith("`set") or names[0] == theirs[len("`murder:") : -1].replace("_", "-")
        assert f"murder.{names[0]}" in line
        assert all(name in murder.task_names or name == "stop-peers" for name in names)


def test_a_range_in_the_readme_names_what_is_said_of_it() -> None:
    examples = {
        shlex.split(cells[0].strip("`"))[0]: cells[1] for cells in rows(README) if cells[0][:2] == "`'"
    }
    counts = {text: len(expand(text, roles={"canary": "web[1-9]"})) for text in examples}
    assert counts == {
        "web[1-500]": 500,
        "web[001-120,130]": 121,
        "web[1-9/2]": 5,
        "a[1-2]-b[1-3]": 6,
        "deploy@web[1-5]:2222": 5,
        "[::1]:22": 1,
        "@canary,!web7": 8,
    }
    assert fold(expand("web[001-120,130]")) == "web[001-120,130]"


#: What the page says `@name` stands for in its tables.
ROLES = {"peer": "web[1-5]", "canary": "web[1-2]", "db": ["db1", "db2:2222"]}


@pytest.mark.parametrize(
    "cells", [cells for cells in rows(HOST_RANGES) if cells[0].startswith("`")], ids=lambda cells: cells[0]
)
def test_a_host_expression_is_what_its_page_says(cells: list[str]) -> None:
    expression, said = (cell.strip("`") for cell in cells)
    try:
        found = " ".join(expand(expression, roles=ROLES))
    except errors.HostRangeError as error:
        found = str(error)[-len(said) :]
    assert found == said


def test_every_range_in_a_command_is_quoted() -> None:
    for page in PAGES:
        unquoted = re.findall(r"-H (?!['])\S*[\[!]\S*", page.read_text())
        assert not unquoted, f"{page.name}: {unquoted}"


@pytest.mark.parametrize("page", [README, OPERATIONS], ids=["README", "operations"])
def test_exit_codes_are_those_of_the_errors(page: str) -> None:
    codes = {int(cells[0]) for cells in rows(page) if cells[0].isdigit()}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    raised = {kind.exit_code for kind in kinds if issubclass(kind, errors.MurderError)}
    assert codes == {0, 130} | raised


def sentences_of(source: str) -> Iterator[str]:
    """Yield every string of a module, with `…` where something is filled in."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"%[sdr]", "…", node.value)


def test_every_sentence_that_operations_explains_is_said_somewhere() -> None:
    explained = [
        cells[0].strip("`")
        for _, table in re.findall(r"^(\| it says \|.*\n\|.*\n)((?:\|.*\n)+)", OPERATIONS, re.MULTILINE)
        for cells in rows(table)
    ]
    assert len(explained) >= 30
    sources = (ROOT / "murder_fabric").rglob("*.py")
    said = [sentence for path in sources for sentence in sentences_of(path.read_text())]
    assert [one for one in explained if not any(one in sentence for sentence in said)] == []


def test_the_unit_of_operations_starts_the_agent() -> None:
    (start,) = re.findall(r"^ExecStart=\S*/(murder-agent .*)$", OPERATIONS, re.MULTILINE)
    check_command(shlex.split(start))


def test_the_ports_of_operations_are_the_defaults() -> None:
    ports = {cells[4]: cells[2] for cells in rows(OPERATIONS) if len(cells) == 5}
    assert f"TCP {Settings().tracker_port}," in ports["`murder.tracker_port`"]
    assert "TCP {} to {},".format(*Settings().peer_port_range()) in ports["`murder.peer_ports`"]


def test_the_table_of_settings_is_the_settings() -> None:
    expected = [
        [f"`{SECTION}.{one.name}`", f"`{shown(one)}`", one.metadata["meaning"]]
        for one in dataclasses.fields(Settings)
    ]
    page = (ROOT / "docs" / "configuration.md").read_text()
    there = [cells for cells in rows(page) if cells[0].startswith(f"`{SECTION}.")]
    assert there == expected, "it should be:\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in expected)


def shown(field: dataclasses.Field[Any]) -> str:
    value = getattr(Settings(), field.name)
    return ", ".join(f"{name}: ''" for name in value) if value and isinstance(value, dict) else repr(value)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{target} leads nowhere"
        assert not anchor or anchor in anchors(there), f"{there.name} has no {anchor}"
        assert page not in SITE or (ROOT / "docs") in there.resolve().parents, f"{target} is not of the site"


def test_every_page_is_in_the_index_of_the_site() -> None:
    pages = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in SITE}
    listed = set()
    for page in ("index", "decisions"):
        for block in code_blocks((ROOT / "docs" / f"{page}.md").read_text(), r"{toctree}"):
            for entry in re.findall(r"^([a-z][\w*/-]*)$", block, re.MULTILINE):
                listed |= {one for one in pages if Path(one).match(entry)}
    assert pages - listed == {"index"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_named_in_a_page_exist(page: Path) -> None:
    rooms = "agent|deploy|metainfo|net|policy|storage|swarm|tracker|wire"
    for name in re.findall(
        rf"`((?:(?:{rooms}|murder_fabric|tests|docs)/)[\w/.-]+\.(?:py|md))`", page.read_text()
    ):
        assert (ROOT / name).exists() or (ROOT / "murder_fabric" / name).exists(), f"there is no {name}"


def test_every_bep_the_code_names_is_on_the_protocol_page() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "murder_fabric").rglob("*.py"))
    named = {int(number) for number in re.findall(r"\bBEP (\d+)", sources)}
    table = {int(number) for number in re.findall(r"^\| \[(\d+)\]", PROTOCOL, re.MULTILINE)}
    assert named <= table
    assert table - named <= {27}  # one key that is always 1


def test_every_bep_on_the_protocol_page_has_a_place() -> None:
    spoken = [cells for cells in rows(PROTOCOL) if re.match(r"\[\d+\]", cells[0])]
    assert len(spoken) >= 11
    for cells in spoken:
        for place in re.findall(r"`([^`]+)`", cells[2]):
            assert (ROOT / place).is_file(), f"BEP {cells[0]}: there is no {place}"


@pytest.mark.parametrize(
    "cells",
    [cells for cells in rows(PROTOCOL) if cells[-1].startswith("`murder_fabric.")],
    ids=lambda cells: cells[0],
)
def test_our_timeouts_are_those_of_the_protocol_page(cells: list[str]) -> None:
    ours, unit = re.fullmatch(r"([0-9., ]+?) ?([a-zA-Z]*)", cells[3]).groups()
    said = tuple(float(number) * UNITS[unit] for number in ours.split(", "))
    value = resolve(cells[4].strip("`"))
    assert said == (value if isinstance(value, tuple) else (value,))


def test_every_key_of_ours_is_on_the_protocol_page() -> None:
    sources = "\n".join(
        (ROOT / "murder_fabric" / room).read_text()
        for room in ("metainfo/building.py", "metainfo/values.py", "wire/extensions.py")
    )
    keys = set(re.findall(r'"(murder[_ ][a-z0-9 _]+)"', sources))
    assert len(keys) >= 8
    assert {key for key in keys if f"`{key}`" not in PROTOCOL} == set()


def test_decisions_have_one_number_each_and_three_parts() -> None:
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        title, *parts = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
        assert title.startswith(f"{int(page.name[:4])}. ")
        assert parts == ["Context", "Decision", "Consequences"], page.name
