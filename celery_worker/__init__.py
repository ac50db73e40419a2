"""Celery: the application, its queues and its timetable. Wiring only."""
