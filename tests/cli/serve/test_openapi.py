"""Whatever the description allows, and much that it does not: no answer is a bug."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from .running import Server

UNSAID = [positive_data_acceptance]
"""A schema cannot say that bytes are a picture."""


def try_all(server: Server, examples: int) -> list[str]:
    """Every operation so often; those that were tried."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    # Events do not end before their job does: they have tests of their own.
    schema = schema.exclude(path_regex="/events$")
    tried = []
    for found in schema.get_all_operations():
        operation = found.ok()
        tried.append(operation.label)

        @given(case=operation.as_strategy())
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        def check(case: schemathesis.Case) -> None:
            case.call_and_validate(base_url=server.url, timeout=30, excluded_checks=UNSAID)

        check()
    assert not any("Traceback" in line for line in server.said)
    return tried


def test_no_answer_is_a_bug(server: Server) -> None:
    assert len(try_all(server, 5)) >= 15


@pytest.mark.soak
def test_no_answer_is_a_bug_however_often(server: Server) -> None:
    try_all(server, 300)
