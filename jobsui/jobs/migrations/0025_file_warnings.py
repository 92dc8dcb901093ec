from collections.abc import Callable
from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def as_objects(warnings: list[Any]) -> list[Any]:
    """Sentences as the objects that files have from now on."""
    return [
        {
            "code": "other",
            "message": sentence,
            "fix": "",
            "column": "",
            "count": 0,
            "rows": [],
            "values": [],
        }
        for sentence in warnings
    ]


def as_sentences(warnings: list[Any]) -> list[Any]:
    return [f"{each['message']} {each['fix']}".strip() for each in warnings]


def converted(
    convert: Callable[[list[Any]], list[Any]],
) -> Callable[[Apps, BaseDatabaseSchemaEditor], None]:
    def convert_all(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
        files = apps.get_model("jobs", "File").objects
        for file in files.exclude(warnings=[]).only("warnings").iterator():
            files.filter(pk=file.pk).update(warnings=convert(file.warnings))

    return convert_all


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0024_file_layout"),
    ]

    operations = [
        migrations.RunPython(converted(as_objects), converted(as_sentences)),
    ]
