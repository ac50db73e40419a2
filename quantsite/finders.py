"""Which static files of packages the lab serves, where a package brings many more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import FileSystemFinder
from django.core.files.storage import FileSystemStorage, Storage


class PickedFinder(FileSystemFinder):
    """The files named in ``STATICFILES_PICKED``: (prefix, folder, patterns) each.

    An editor for a hundred languages has six hundred files; collecting and packing them all would
    take longer than everything else at the lab's first start.
    """

    def __init__(self, app_names: Any = None, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        self.locations: list[tuple[str, str]] = []
        self.storages: dict[str, FileSystemStorage] = {}
        self.patterns: dict[str, tuple[str, ...]] = {}
        for prefix, folder, patterns in settings.STATICFILES_PICKED:
            storage = FileSystemStorage(location=folder)
            storage.prefix = prefix  # type: ignore[attr-defined]
            self.locations.append((prefix, str(folder)))
            self.storages[str(folder)] = storage
            self.patterns[str(folder)] = tuple(patterns)

    def check(self, **kwargs: Any) -> list[Any]:  # noqa: ARG002 the settings are the lab's own
        """Nothing to check: folders are found when the settings load."""
        return []

    def find_location(self, root: str, path: str, prefix: str | None = None) -> str | None:
        """Return the file at ``path`` when it is among those picked."""
        inner = path.removeprefix(f"{prefix}/") if prefix else path
        if not self._is_picked(root, inner):
            return None
        found: str | None = super().find_location(root, path, prefix)
        return found

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, Storage]]:
        """Yield every picked file with its storage."""
        for path, storage in super().list(ignore_patterns):
            if self._is_picked(str(storage.location), path):
                yield path, storage

    def _is_picked(self, root: str, path: str) -> bool:
        return any(fnmatchcase(path, pattern) for pattern in self.patterns[root])
