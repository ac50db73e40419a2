"""Tests: real PostgreSQL and Redis started by ``tests/conftest.py``, cheap passwords."""

import tempfile
from pathlib import Path

from quantsite import env
from quantsite.settings.base import *

ENVIRONMENT = "test"
SECRET_KEY = "only-for-tests-0123456789abcdefghijklmnopqrstuvwxyz"  # noqa: S105
SEAL_KEY = "b25seS1mb3ItdGVzdHMtMDEyMzQ1Njc4OWFiY2RlZjA="
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
RECOVERY_CODE_ROUNDS = 1000
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# A folder that exists, so that nothing warns; with a LAB_HOME files are collected there.
UPLOAD_ROOT = Path(tempfile.gettempdir()) / "quantsite-test-uploads"
STATIC_ROOT = LAB_HOME / "static" if env.text("LAB_HOME") else BASE_DIR / "data"
# Tests that are about kept panels choose a folder of their own.
PANEL_CACHE_MB = env.number("PANEL_CACHE_MB", 2048 if env.text("LAB_HOME") else 0)
# A lab that lies in the tree for trials has a ledger of its own; tests don't meet it.
if not env.text("LAB_HOME"):
    AUDIT_PUBLIC_KEY_FILE = Path(tempfile.gettempdir()) / "quantsite-tests" / "audit_public_key"
    AUDIT_WITNESS_FILE = Path(tempfile.gettempdir()) / "quantsite-tests" / "audit_checkpoint"
# A server of whoever runs the tests is none of theirs.
MLFLOW_TRACKING_URI = ""
# No sequencer runs beside most tests.
LEDGER_LATE_SECONDS = 0.0
