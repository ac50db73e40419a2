"""OpenAI through its official SDK."""

from __future__ import annotations

from apps.assistant.llms.base import Answer, Ideas, Program
from apps.assistant.llms.structured import Wanted, ask


class OpenAI:
    """OpenAI's chat completions with a JSON schema as response format."""

    name = "openai"
    title = "OpenAI"
    needs = "OPENAI_API_KEY"

    def __init__(
        self, key: str = "", base_url: str = "", model: str = "gpt-4.1-mini", timeout: float = 60
    ) -> None:
        self.key, self.base_url, self.model, self.timeout = key, base_url, model, timeout

    @property
    def is_configured(self) -> bool:
        """Whether a key is set."""
        return bool(self.key)

    def propose(self, *, instructions: str, prompt: str) -> Answer:
        """Return ideas. Raises ``ModelFault``."""
        return self._ask(Ideas, instructions, prompt)

    def write(self, *, instructions: str, prompt: str) -> Answer:
        """Return the text of a strategy. Raises ``ModelFault``."""
        return self._ask(Program, instructions, prompt)

    def _ask(self, wanted: Wanted, instructions: str, prompt: str) -> Answer:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient
        from pydantic_ai import NativeOutput
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        client = AsyncOpenAI(
            api_key=self.key,
            base_url=self.base_url or None,
            max_retries=0,
            timeout=self.timeout,
            # What answers elsewhere is no model we chose, and would be told the key.
            http_client=DefaultAsyncHttpxClient(follow_redirects=False),
        )
        return ask(
            name=self.name,
            model=OpenAIChatModel(self.model, provider=OpenAIProvider(openai_client=client)),
            output=NativeOutput(wanted, strict=True),
            wanted=wanted,
            instructions=instructions,
            prompt=prompt,
            timeout=self.timeout,
        )
