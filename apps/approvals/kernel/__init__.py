"""Pure rules of agreement: stages, gates, quorums, digests, settings."""
