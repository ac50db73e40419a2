"""Who helps: hypotheses, the forge, language models."""
