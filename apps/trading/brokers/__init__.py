"""Venues behind one contract; the first, paper, always works."""
