"""Which models are asked, and in which order, is a setting."""

from types import SimpleNamespace

import pytest

from apps.approvals.kernel.setting_specs import find_spec
from apps.assistant.kernel.settings import MODELS, in_order

FOUND = [SimpleNamespace(name=name) for name in ("openai", "groq", "local")]


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        ([], ["openai", "groq", "local"]),
        (["local", "openai"], ["local", "openai"]),
        (["elsewhere", "groq"], ["groq"]),
        (["elsewhere"], []),
    ],
)
def test_models_are_asked_in_the_order_wanted(wanted, asked):
    find_spec(MODELS).check(wanted)
    assert [model.name for model in in_order(FOUND, wanted)] == asked


@pytest.mark.parametrize("wrong", ["openai", ["openai", "openai"], [7], ["Open AI"], None])
def test_other_values_are_refused(wrong):
    with pytest.raises(ValueError, match="names of providers"):
        find_spec(MODELS).check(wrong)
