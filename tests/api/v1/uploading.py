"""Uploads by a program, and what is left of them."""

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
    """The answer to this upload."""
    return send(program, {"file": SimpleUploadedFile(name, content), **layout}, key=key)


def send(program: Program, parts: dict[str, Any], *, key: str = "") -> Any:
    headers = {"Authorization": f"Bearer {program.token}"} | (
        {"Idempotency-Key": key} if key else {}
    )
    return Client().post("/api/v1/files", parts, headers=headers)


def stored() -> set[Path]:
    """What lies in storage."""
    return {
        path
        for path in (Path(settings.MEDIA_ROOT) / "uploads").glob("*")
        if path.is_file()
    }


def kept() -> tuple[int, set[Path]]:
    """Files in the database, and what lies in storage."""
    return File.objects.count(), stored()
