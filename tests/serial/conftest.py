"""What the tests of serialmail's programs share."""

from pathlib import Path

import pytest

from tests.support.serial_rig import SerialRig


@pytest.fixture
def rig(tmp_path: Path) -> SerialRig:
    return SerialRig(tmp_path)
