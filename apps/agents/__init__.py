"""Who works by itself: pipelines, agents, nodes."""
