"""Any server that speaks OpenAI's chat completions: llama.cpp, vLLM, Ollama, OpenRouter."""

from __future__ import annotations

from apps.assistant.llms.base import Answer, Ideas, Program
from apps.assistant.llms.structured import Wanted, ask

NO_KEY = "none"


class Local:
    """A server by base URL; the schema is written into the prompt, so any model can follow."""

    name = "local"
    title = "Own server"
    needs = "LLM_BASE_URL and LLM_MODEL"

    def __init__(
        self, key: str = "", base_url: str = "", model: str = "", timeout: float = 180
    ) -> None:
        self.key, self.base_url, self.model, self.timeout = key, base_url, model, timeout

    @property
    def is_configured(self) -> bool:
        """Whether an address and a model are set."""
        return bool(self.base_url and self.model)

    def propose(self, *, instructions: str, prompt: str) -> Answer:
        """Return ideas. Raises ``ModelFault``."""
        return self._ask(Ideas, instructions, prompt)

    def write(self, *, instructions: str, prompt: str) -> Answer:
        """Return the text of a strategy. Raises ``ModelFault``."""
        return self._ask(Program, instructions, prompt)

    def _ask(self, wanted: Wanted, instructions: str, prompt: str) -> Answer:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient
        from pydantic_ai import PromptedOutput
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        client = AsyncOpenAI(
            api_key=self.key or NO_KEY,
            base_url=self.base_url,
            max_retries=0,
            timeout=self.timeout,
            # What answers elsewhere is no model we chose, and would be told the key.
            http_client=DefaultAsyncHttpxClient(follow_redirects=False),
        )
        return ask(
            name=self.name,
            model=OpenAIChatModel(self.model, provider=OpenAIProvider(openai_client=client)),
            output=PromptedOutput(wanted),
            wanted=wanted,
            instructions=instructions,
            prompt=prompt,
            timeout=self.timeout,
        )
