"""An upgrade may bring bundled data: it is loaded once."""

from pathlib import Path

import pytest

from apps.core.lab.home import Home
from apps.core.lab.options import Options
from apps.core.lab.preparation import SAMPLE, Preparation


@pytest.fixture
def preparation(tmp_path):
    """A preparation whose steps are noted instead of run."""
    home = Home(tmp_path / "home")
    home.prepare()
    base = tmp_path / "code"
    (base / SAMPLE).parent.mkdir(parents=True)
    (base / SAMPLE).write_text("{}", encoding="utf-8")
    options = Options.__new__(Options)
    made = Preparation.__new__(Preparation)
    object.__setattr__(options, "base", base)
    made.options, made.home, made.say = options, home, lambda _words: None
    made.begin = lambda *command, **_environment: steps.append(command)
    made.finish = lambda _step: None
    steps: list[tuple[str, ...]] = []
    made.steps = steps
    return made


def test_new_bundled_data_is_loaded_once(preparation):
    preparation._load_new_sample()
    preparation._load_new_sample()
    assert preparation.steps == [("load_sample",)]
    manifest = Path(preparation.options.base / SAMPLE)
    manifest.write_text('{"files": []}', encoding="utf-8")
    preparation._load_new_sample()
    assert preparation.steps == [("load_sample",)] * 2
