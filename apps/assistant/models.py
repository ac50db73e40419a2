"""Tables of assistant."""
