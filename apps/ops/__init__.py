"""Is it alive: health, metrics, alerts."""
