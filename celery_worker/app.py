"""The Celery application: ``celery -A celery_worker.app worker -Q compute``."""

from __future__ import annotations

import gc
import os

gc.set_threshold(200_000, 50, 50)  # fewer looks through what the imports leave, which all stays
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantsite.settings")

from celery import Celery
from kombu import Queue as KombuQueue

from celery_worker import presence as presence
from celery_worker.queues import QUEUES
from celery_worker.schedule import BEAT_SCHEDULE

app = Celery("quantsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = [KombuQueue(queue.name) for queue in QUEUES]
app.conf.beat_schedule = BEAT_SCHEDULE
app.autodiscover_tasks()
