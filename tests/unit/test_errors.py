"""Tests of the tree of errors."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module

import pytest

import common
import functions
from common.errors import FieldError, InvalidInput, SightError


def tree(root: type[SightError] = SightError) -> Iterator[type[SightError]]:
    """Every error of the code, wherever it is defined."""
    yield root
    for error in root.__subclasses__():
        if error.__module__.startswith(("common.", "functions.")):
            yield from tree(error)


def every_error() -> list[type[SightError]]:
    """Every error there is, once all modules are loaded that define any."""
    for package in (common, functions):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith(("__main__", ".main")):
                import_module(module.name)
    return list(tree())


def test_every_error_has_a_code_of_its_own() -> None:
    """Programs tell errors by their code, so that no two that mean different things share one."""
    found = every_error()
    own = [error.code for error in found if "code" in vars(error)]
    assert len(found) > 20
    assert sorted(own) == sorted(set(own))
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in own)


def test_what_may_pass_is_what_may_be_tried_again() -> None:
    """Retryable errors say so in HTTP as well, and nothing else does."""
    for error in every_error():
        assert error.retryable == (error.status in (429, 503)), error
        assert 400 <= error.status < 600
        assert error.title


def test_an_error_carries_what_is_wrong() -> None:
    """The detail is its message, and the common case of a single field needs no ceremony."""
    error = InvalidInput.of("audience.dimensions[0].shares", "must add up to 1")
    assert str(error) == error.detail == "audience.dimensions[0].shares: must add up to 1"
    assert error.errors == (FieldError("audience.dimensions[0].shares", "must add up to 1"),)
    assert error.retry_after is None


@pytest.mark.parametrize("base", [SightError, InvalidInput])
def test_errors_are_exceptions_of_one_tree(base: type[SightError]) -> None:
    """One `except` catches whatever was raised on purpose."""
    with pytest.raises(SightError):
        raise base("wrong")
