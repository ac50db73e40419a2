"""Who agreed: proposals, decisions, policies, settings."""
