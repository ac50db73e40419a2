"""Files somebody uploads: kept, read by a child process, previewed, stored."""

from apps.market.services.uploads.preview import CALENDARS, Upload, preview_upload
from apps.market.services.uploads.storing import run_upload, store_upload

__all__ = ["CALENDARS", "Upload", "preview_upload", "run_upload", "store_upload"]
