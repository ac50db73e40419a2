"""One contract for every language model, asked over real sockets."""

from decimal import Decimal

import pytest
from django.conf import settings

from apps.assistant.errors import ModelFault
from apps.assistant.kernel import prompts
from apps.assistant.llms.groq import Groq
from apps.assistant.llms.local import Local
from apps.assistant.llms.none import NoModel
from apps.assistant.llms.openai import OpenAI
from apps.strategies.kernel.expressions import OPERATORS
from tests.servers import openai_server as play

ASKED = {"instructions": prompts.instructions(), "prompt": "Propose two hypotheses."}


@pytest.fixture
def server():
    with play.running() as running:
        yield running


class ModelContract:
    """What every model promises; a subclass makes one."""

    name = ""

    def make(self, server, timeout=20.0, key=play.KEY):
        raise NotImplementedError

    def test_it_is_a_line_of_the_settings(self, server):
        assert self.name in settings.LLMS
        assert self.make(server).name == self.name

    def test_a_good_answer_becomes_ideas_with_usage(self, server):
        answer = self.make(server).propose(**ASKED)
        assert [idea.model_dump() for idea in answer.ideas] == play.IDEAS
        assert (answer.input_tokens, answer.output_tokens) == (812, 96)
        assert answer.provider == self.name
        assert answer.cost_usd is None or answer.cost_usd > Decimal(0)
        sent = server.requests[0]["body"]
        assert sent["model"] == answer.model
        assert any(ASKED["prompt"] in str(m["content"]) for m in sent["messages"])
        assert "delta(x, d)" in str(sent["messages"])

    def test_the_schema_goes_along(self, server):
        self.make(server).propose(**ASKED)
        assert "economic_reason" in str(server.requests[0]["body"])

    @pytest.mark.parametrize(
        ("script", "code"),
        [
            (play.status(429, {"retry-after": "20"}), "model.rate_limited"),
            (play.status(500), "model.server"),
            (play.status(503), "model.server"),
            (play.MALFORMED, "model.malformed"),
            (play.OUT_OF_SHAPE, "model.malformed"),
            (play.EMPTY, "model.malformed"),
            (play.NOT_JSON, "model.malformed"),
            (play.CUT, "model.unreachable"),
        ],
        ids=["429", "500", "503", "malformed", "out of shape", "empty", "not json", "cut off"],
    )
    def test_a_fault_has_its_code_and_is_not_repeated(self, server, script, code):
        server.play(script)
        with pytest.raises(ModelFault) as fault:
            self.make(server).propose(**ASKED)
        assert fault.value.code == code
        assert len(server.requests) == 1

    def test_a_text_comes_without_the_fence_around_it(self, server):
        server.play(play.program("```python\nTITLE = 'a'\n```", approved=True, stage="live"))
        answer = self.make(server).write(**ASKED)
        assert answer.program.text == "TITLE = 'a'\n"
        assert answer.program.reasoning == "Trends go on."
        assert answer.ideas == ()
        assert "refusal" in str(server.requests[0]["body"])

    @pytest.mark.parametrize(
        ("script", "code"),
        [
            (play.program("", refusal="I won't."), "model.declined"),
            (play.program(" "), "model.malformed"),
            (play.TOO_LONG, "model.malformed"),
            (play.MALFORMED, "model.malformed"),
            (play.status(429), "model.rate_limited"),
            (play.CUT, "model.unreachable"),
        ],
        ids=["declined", "empty", "too long", "malformed", "429", "cut off"],
    )
    def test_a_text_that_does_not_come_has_its_code(self, server, script, code):
        server.play(script)
        with pytest.raises(ModelFault) as fault:
            self.make(server).write(**ASKED)
        assert fault.value.code == code
        assert len(server.requests) == 1

    def test_slowness_is_a_timeout(self, server):
        server.play(play.SLOW)
        with pytest.raises(ModelFault) as fault:
            self.make(server, timeout=0.4).propose(**ASKED)
        assert fault.value.code == "model.timeout"

    def test_a_wrong_key_is_told(self, server):
        with pytest.raises(ModelFault) as fault:
            self.make(server, key="sk-wrong").propose(**ASKED)
        assert fault.value.code == "model.refused"
        assert "sk-wrong" not in fault.value.message

    def test_nobody_there_is_told(self, server):
        model = self.make(server)
        server.shutdown()
        server.server_close()
        with pytest.raises(ModelFault) as fault:
            model.propose(**ASKED)
        assert fault.value.code in {"model.unreachable", "model.timeout"}

    def test_words_are_cut_and_cleaned(self, server):
        wild = {
            "statement": "a\n\x00b" + "x" * 5000,
            "economic_reason": "r",
            "expression": " close ",
        }
        server.play(play.ideas(*[wild] * 50))
        answer = self.make(server).propose(**ASKED)
        assert len(answer.ideas) == 20
        assert len(answer.ideas[0].statement) == 600
        assert answer.ideas[0].statement.startswith("a b")
        assert answer.ideas[0].expression == "close"


class TestOpenAI(ModelContract):
    name = "openai"

    def make(self, server, timeout=20.0, key=play.KEY):
        return OpenAI(key=key, base_url=f"{server.root}/v1", timeout=timeout)

    def test_the_answer_format_is_a_strict_schema(self, server):
        self.make(server).propose(**ASKED)
        sent = server.requests[0]["body"]["response_format"]
        assert sent["type"] == "json_schema"
        assert sent["json_schema"]["strict"] is True

    def test_a_refusal_of_the_provider_is_told(self, server):
        server.play(play.REFUSAL)
        with pytest.raises(ModelFault) as fault:
            self.make(server).write(**ASKED)
        assert fault.value.code == "model.declined"

    def test_without_a_key_it_is_not_configured(self):
        assert not OpenAI().is_configured
        assert OpenAI(key="k").is_configured


class TestGroq(ModelContract):
    name = "groq"

    def make(self, server, timeout=20.0, key=play.KEY):
        return Groq(key=key, base_url=server.root, timeout=timeout)

    def test_the_schema_is_a_required_tool(self, server):
        self.make(server).propose(**ASKED)
        assert server.requests[0]["path"] == "/openai/v1/chat/completions"
        assert server.requests[0]["body"]["tool_choice"] == "required"


class TestLocal(ModelContract):
    name = "local"

    def make(self, server, timeout=20.0, key=play.KEY):
        return Local(key=key, base_url=f"{server.root}/v1", model="tiny", timeout=timeout)

    def test_it_needs_an_address_and_a_model_but_no_key(self, server):
        assert not Local(base_url="http://localhost:1").is_configured
        keyless = Local(base_url=f"{server.root}/v1", model="tiny")
        assert keyless.is_configured
        assert keyless.propose(**ASKED).ideas


def test_no_model_proposes_nothing_and_is_always_there():
    model = NoModel()
    assert model.is_configured
    assert model.propose(**ASKED).ideas == ()
    assert next(iter(settings.LLMS)) == model.name


def test_every_line_of_the_settings_has_a_contract():
    tested = {contract.name for contract in ModelContract.__subclasses__()}
    assert set(settings.LLMS) == {*tested, "none"}


def test_instructions_name_every_function_but_the_symbols():
    text = prompts.instructions()
    assert all(name in text for name in OPERATORS if name.startswith("ts_"))
    assert "- add(" not in text
