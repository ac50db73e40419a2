"""Sums of the assistant: genetic search, scores, words, prompts."""
