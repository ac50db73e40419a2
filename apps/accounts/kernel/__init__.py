"""Pure rules about roles and tokens."""
