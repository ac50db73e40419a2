"""One lab for those who kill its parts; each waits until it is whole again."""

import pytest

from tests.servers.lab import FIRST_START, Lab, free_port


@pytest.fixture(scope="package")
def lab(tmp_path_factory):
    one = Lab(tmp_path_factory.mktemp("run") / "lab", free_port()).start()
    try:
        one.wait_ready(FIRST_START)
        yield one
    finally:
        one.stop()
