"""Pure rules about health and alerts."""
