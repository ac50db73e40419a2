"""What prices: instruments, bars, universes, ingestion, the replay feed."""
