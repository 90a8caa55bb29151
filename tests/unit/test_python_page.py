"""What docs/python.md says of functions, results and the document of `--json` is what they are."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re

import pytest
from test_docs import ROOT, code_blocks, rows

import murder_fabric
from murder_fabric import HostResult, HostState, Result, api

PAGE = (ROOT / "docs" / "python.md").read_text()
FUNCTIONS = re.findall(
    r"`(\w+)`", PAGE[PAGE.index("The functions are") : PAGE.index("They take hosts first")]
)


def named(*headings: str) -> list[str]:
    """Return the names in the first column of the table with these headings."""
    table = PAGE[PAGE.index(f"| {' | '.join(headings)} |") :]
    return [
        name for cells in rows(table[: table.index("\n\n")])[1:] for name in re.findall(r"`(\w+)`", cells[0])
    ]


def test_the_functions_of_the_page_are_those_there_are() -> None:
    functions = {name for name, one in vars(api).items() if inspect.isfunction(one)}
    assert set(FUNCTIONS) == functions
    assert functions < set(murder_fabric.__all__)


@pytest.mark.parametrize("code", code_blocks(PAGE, "python"))
def test_its_code_imports_what_there_is_and_calls_with_what_is_taken(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module == "murder_fabric":
            assert {alias.name for alias in node.names} <= set(murder_fabric.__all__)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
            taken = inspect.signature(getattr(api, node.func.id)).parameters
            assert {keyword.arg for keyword in node.keywords} <= set(taken)


def test_its_tables_name_every_attribute_and_state() -> None:
    result = {field.name for field in dataclasses.fields(Result)}
    assert set(named("attribute", "is")) == {*result, "failed"}
    table = PAGE[PAGE.index("Of each host:") :]
    attributes = re.findall(r"^\| `(\w+)` ", table[: table.index("| state | means |")], re.MULTILINE)
    assert attributes == [field.name for field in dataclasses.fields(HostResult)]
    assert set(named("state", "means")) == {state.value for state in HostState}


def test_its_document_has_the_keys_of_a_real_one() -> None:
    (example,) = (json.loads(block) for block in code_blocks(PAGE, "json"))
    real = json.loads(Result("deploy", hosts={"web1": HostResult()}).to_json())
    assert list(example) == list(real)
    assert [list(host) for host in example["hosts"].values()] == [list(real["hosts"]["web1"])] * 2
