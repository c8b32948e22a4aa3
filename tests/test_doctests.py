"""The examples in the package's docstrings are true."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import fieldpress

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(fieldpress.__path__, "fieldpress.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", ["fieldpress", *MODULES])
def test_the_examples_in_the_docstrings_hold(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = doctest.testmod(import_module(name))
    assert not result.failed, capsys.readouterr().out


def test_examples_are_found() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = sum(len(test.examples) for name in MODULES for test in finder.find(import_module(name)))
    assert examples > 30
