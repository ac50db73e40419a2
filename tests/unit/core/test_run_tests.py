"""``make test``: a few that failed run once more alone; what fails twice, or is many, fails."""

import importlib
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[3] / "tools"
COUNTED = """
from pathlib import Path
import pytest

def count(name):
    with (Path(__file__).parent / name).open("a") as file:
        file.write("x")
    return (Path(__file__).parent / name).stat().st_size

def test_good():
    count("good")
"""
ONCE = """
@pytest.mark.parametrize("text", ["a::b[c] d"])
def test_fails_once(text):
    assert count("once") > 1, "the words of the first failure"
"""
ALWAYS = """
def test_fails_always():
    assert count("always") < 0
"""
FOUR = """
@pytest.mark.parametrize("number", range(4))
def test_many(number):
    assert count(f"many{number}") > 1
"""
REPORT = '<testsuite name="pytest" errors="{}" failures="0" skipped="{}" tests="3" time="1">'
OPTIONS = """
def pytest_addoption(parser):
    # As xdist and the real tests have them.
    parser.addoption("--numprocesses")
    parser.addoption("--dist")
    parser.addoption("--timescale", action="store_true")

def pytest_collection_modifyitems(config, items):
    if config.getoption("--timescale"):
        items[:] = []
"""


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module("run_tests")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of tests of its own; ``folder(text)`` writes them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text(OPTIONS)

    def write(*parts):
        (tmp_path / "test_made_up.py").write_text("".join([COUNTED, *parts]))
        return tmp_path

    return write


def times(folder, name):
    return len((folder / name).read_text())


def test_what_passes_alone_is_named_and_its_first_words_stay(tool, folder, capfd):
    home = folder(ONCE)
    assert tool.main([".", "--processes", "0"]) == 0
    words = capfd.readouterr().out
    assert "the words of the first failure" in words
    assert words.splitlines()[-1].startswith(
        "unsteady: test_made_up.py::test_fails_once[a::b[c] d] "
    )
    assert (times(home, "once"), times(home, "good")) == (2, 1)


def test_what_fails_twice_fails_beside_one_that_does_not(tool, folder):
    home = folder(ONCE, ALWAYS)
    verdict = tool.run_pass(["."])
    assert (verdict.status, verdict.unsteady) == (1, [])
    assert (times(home, "once"), times(home, "always"), times(home, "good")) == (2, 2, 1)


def test_many_failures_are_not_run_again(tool, folder):
    home = folder(FOUR)
    assert tool.run_pass(["."]).status == 1
    assert times(home, "many0") == 1


def test_a_file_that_can_not_be_read_fails_at_once(tool, folder, capfd):
    folder("\nimport no_such_module\n")
    assert tool.run_pass(["."]).status == 2
    assert "once more alone" not in capfd.readouterr().out


@pytest.mark.parametrize(("errors", "skipped", "passed"), [(0, 0, 3), (0, 1, 2), (1, 1, 1)])
def test_one_that_is_skipped_the_second_time_has_not_passed(
    tool, tmp_path, errors, skipped, passed
):
    (tmp_path / "report.xml").write_text(REPORT.format(errors, skipped))
    assert tool.count_passed(tmp_path / "report.xml") == passed
