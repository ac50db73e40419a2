"""Registers the site itself, for what every process with Django needs."""

from importlib import import_module

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """The whole."""

    name = "quantsite"
    label = "quantsite"

    def ready(self) -> None:
        """Make the Celery application the one that tasks are sent with."""
        import_module("celery_worker.app")
