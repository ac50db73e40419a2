"""Every write of the assistant: searches, judgements, questions to models."""

from apps.assistant.services.code import submit_code
from apps.assistant.services.drafts import request_code, write_code
from apps.assistant.services.hypotheses import judge_hypothesis, promote_hypothesis
from apps.assistant.services.models import ask_models
from apps.assistant.services.searches import find_hypotheses, run_search

__all__ = [
    "ask_models",
    "find_hypotheses",
    "judge_hypothesis",
    "promote_hypothesis",
    "request_code",
    "run_search",
    "submit_code",
    "write_code",
]
