"""Tables of trading."""
