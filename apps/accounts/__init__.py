"""Who may: people, teams, roles, tokens."""
