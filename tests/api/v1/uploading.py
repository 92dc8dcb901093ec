"""Uploads by a program, and what they leave behind."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobsui.jobs.models import File
from tests.api.conftest import Program


def upload(
    program: Program,
    content: bytes,
    name: str = "rows.csv",
    *,
    key: str = "",
    **layout: str,
) -> Any:
    """The response to this upload."""
    return send(program, {"file": SimpleUploadedFile(name, content), **layout}, key=key)


def send(program: Program, parts: dict[str, Any], *, key: str = "") -> Any:
    headers = {"Authorization": f"Bearer {program.token}"}
    if key:
        headers["Idempotency-Key"] = key
    return Client().post("/api/v1/files", parts, headers=headers)


def stored() -> set[Path]:
    """The files in storage."""
    uploads = Path(settings.MEDIA_ROOT) / "uploads"
    return {path for path in uploads.glob("*") if path.is_file()}


def stored_counts() -> tuple[int, set[Path]]:
    """(number of files in the database, files in storage)."""
    return File.objects.count(), stored()
