"""Tables of ops."""
