"""No model: the genetic search works alone. Always there, always offline."""

from __future__ import annotations

from apps.assistant.errors import ModelFault
from apps.assistant.llms.base import Answer


class NoModel:
    """Proposes nothing, at no cost."""

    name = "none"
    title = "Genetic search alone"
    model = "genetic"
    is_configured = True
    needs = ""

    def propose(self, *, instructions: str, prompt: str) -> Answer:  # noqa: ARG002 the Protocol
        """Return no ideas."""
        return Answer((), self.name, self.model)

    def write(self, *, instructions: str, prompt: str) -> Answer:  # noqa: ARG002 the Protocol
        """Return no text. Raises ``ModelFault``, always."""
        message = "Without a language model nobody writes; set one up, or write the text yourself."
        raise ModelFault(message, code="model.refused")
