"""The database backend: django-timescaledb, without its demand that the extension be there."""
