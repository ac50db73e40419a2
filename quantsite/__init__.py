"""The site: settings, URLs, ASGI. Wiring only."""

from celery_worker.app import app as celery_app

__all__ = ["celery_app"]
