"""Sums of dashboard: pure."""
