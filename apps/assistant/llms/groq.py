"""Groq through its official SDK."""

from __future__ import annotations

from apps.assistant.llms.base import Answer, Ideas, Program
from apps.assistant.llms.structured import NAMES, Wanted, ask


class Groq:
    """Groq's chat completions; the schema is the one tool the model must call."""

    name = "groq"
    title = "Groq"
    needs = "GROQ_API_KEY"

    def __init__(
        self,
        key: str = "",
        base_url: str = "",
        model: str = "llama-3.3-70b-versatile",
        timeout: float = 60,
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
        from groq import AsyncGroq, DefaultAsyncHttpxClient
        from pydantic_ai import ToolOutput
        from pydantic_ai.models.groq import GroqModel
        from pydantic_ai.providers.groq import GroqProvider

        client = AsyncGroq(
            api_key=self.key,
            base_url=self.base_url or None,
            max_retries=0,
            timeout=self.timeout,
            # What answers elsewhere is no model we chose, and would be told the key.
            http_client=DefaultAsyncHttpxClient(follow_redirects=False),
        )
        return ask(
            name=self.name,
            model=GroqModel(self.model, provider=GroqProvider(groq_client=client)),
            output=ToolOutput(wanted, name=NAMES[wanted]),
            wanted=wanted,
            instructions=instructions,
            prompt=prompt,
            timeout=self.timeout,
        )
