"""Owns the tests of modules that are loaded late."""

import subprocess
import sys

import pytest

from appliance.system import late
from tests.support.sources import CHECKOUT


def test_a_module_is_loaded_when_it_is_first_needed() -> None:
    told = "import sys; from appliance.system import late; first = 'colorsys' in sys.modules; "
    told += "late.load('colorsys:hls_to_rgb'); print(first, 'colorsys' in sys.modules)"

    assert b"False True\n" == subprocess.check_output([sys.executable, "-c", told], cwd=CHECKOUT)


def test_what_is_loaded_is_what_an_import_gives() -> None:
    assert subprocess.Popen is late.load("subprocess:Popen")


@pytest.mark.parametrize("target", ["appliance.nothing:main", "subprocess:nothing"])
def test_a_name_that_leads_nowhere_is_a_fault(target: str) -> None:
    with pytest.raises((ImportError, AttributeError), match="nothing"):
        late.load(target)
