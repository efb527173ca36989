"""Owns the tests of the kinds of values in config.yaml."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from appliance.site import values
from appliance.site.values import Bytes, ControlText, Plain, RouteDomain, Seconds, Targets
from tests.support.configs import HASH


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        (Bytes, "50M", 50 * 1024**2),
        (Bytes, 0, 0),
        (Seconds, "12h", 43200),
        (Targets, "alice", ("alice",)),
        (Targets, ("alice", "b@c.test"), ("alice", "b@c.test")),
        (ControlText, ("a", 2), "a\n2\n"),
        (ControlText, None, None),
        (RouteDomain, "*", "*"),
        (RouteDomain, ".Lab.test", ".lab.test"),
        (values.Password, "generate", "generate"),
        (values.Password, HASH, HASH),
    ],
)
def test_a_value_is_read_as_it_is_meant(kind: Any, written: Plain, value: Plain) -> None:
    assert value == TypeAdapter(kind).validate_python(written)


@pytest.mark.parametrize(
    ("kind", "written"),
    [(Bytes, "50X"), (Bytes, -1), (Seconds, "soon"), (Targets, ()), (ControlText, True), (ControlText, "a\0")]
    + [(RouteDomain, "a b"), (values.Password, "secret"), (values.Port, 0), (values.Count, 0)],
)
def test_a_value_that_is_none_is_refused(kind: Any, written: Plain) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(written)
