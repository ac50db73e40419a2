"""The site: settings, URLs, ASGI. Wiring only."""
