"""The embedded default: PostgreSQL, Redis and the supervisor of a lab on one machine."""
