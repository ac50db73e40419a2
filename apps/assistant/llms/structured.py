"""One question to a model under the one schema, through pydantic-ai; every fault by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apps.assistant.errors import ModelFault
from apps.assistant.llms.base import Answer, Idea, Ideas, Program, bare, trimmed

if TYPE_CHECKING:
    from pydantic_ai.models import Model

TOO_MANY = 429
TIMED_OUT = 408
SERVER = 500
Wanted = type[Ideas] | type[Program]
NAMES: dict[Wanted, str] = {Ideas: "hypotheses", Program: "strategy"}
# Ideas should differ from one another; a text should be what was asked for.
SETTINGS: dict[Wanted, tuple[float, int]] = {Ideas: (0.8, 3000), Program: (0.2, 8000)}


def ask(
    *,
    name: str,
    model: Model,
    output: Any,
    wanted: Wanted,
    instructions: str,
    prompt: str,
    timeout: float,
) -> Answer:
    """Return what the model answers under a schema. Raises ``ModelFault``; asks once."""
    from pydantic_ai import Agent
    from pydantic_ai.exceptions import AgentRunError, UserError

    agent: Any = Agent(model, output_type=output, instructions=instructions, retries=0)
    temperature, most = SETTINGS[wanted]
    settings = {"temperature": temperature, "max_tokens": most, "timeout": timeout}
    try:
        done = agent.run_sync(prompt, model_settings=settings)
    except (AgentRunError, UserError) as error:
        raise fault_of(name, error) from error
    ideas, program = _read(name, done.output)
    usage = done.usage
    return Answer(
        ideas=ideas,
        program=program,
        provider=name,
        model=str(model.model_name),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=usage.cost,
    )


def _read(name: str, found: object) -> tuple[tuple[Idea, ...], Program | None]:
    """Return ideas or a program. Raises ``ModelFault`` when there is neither."""
    if isinstance(found, Program):
        program = bare(found)
        if program.refusal and not program.text:
            message = f"{name} declined to write it: {program.refusal[:200]}"
            raise ModelFault(message, code="model.declined")
        if not program.text:
            message = f"{name} answered without a text; ask again or another model."
            raise ModelFault(message, code="model.malformed")
        return (), program
    if not isinstance(found, Ideas) or not found.hypotheses:
        message = f"{name} answered without a single hypothesis; ask again or another model."
        raise ModelFault(message, code="model.malformed")
    return trimmed(found), None


def fault_of(name: str, error: Exception) -> ModelFault:
    """Return the lab's name for what went wrong."""
    from pydantic_ai.exceptions import (
        ContentFilterError,
        ModelConnectionError,
        ModelHTTPError,
        ModelTimeoutError,
    )

    if isinstance(error, ContentFilterError):
        return ModelFault(f"{name} declined to answer.", code="model.declined")
    if isinstance(error, ModelHTTPError):
        return _by_status(name, error.status_code)
    if isinstance(error, ModelTimeoutError):
        message = f"{name} did not answer in time; try again or raise its timeout."
        return ModelFault(message, code="model.timeout")
    if isinstance(error, ModelConnectionError):
        message = f"{name} can't be reached; check its address and the network."
        return ModelFault(message, code="model.unreachable")
    message = f"{name} answered out of shape: {str(error)[:200]}"
    return ModelFault(message, code="model.malformed")


def _by_status(name: str, status: int) -> ModelFault:
    if status == TOO_MANY:
        message = f"{name} answered 429: too many requests or no credit left; wait or use another."
        return ModelFault(message, code="model.rate_limited")
    if status == TIMED_OUT:
        return ModelFault(f"{name} answered 408: it took too long.", code="model.timeout")
    if status >= SERVER:
        return ModelFault(f"{name} answered {status}: its servers fail.", code="model.server")
    message = f"{name} answered {status}: check its key, its model's name and its address."
    return ModelFault(message, code="model.refused")
