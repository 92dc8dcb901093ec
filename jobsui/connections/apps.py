from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConnectionsConfig(AppConfig):
    name = "jobsui.connections"

    def ready(self) -> None:
        from jobsui.connections import first_key  # noqa: PLC0415  # it needs the models

        post_migrate.connect(first_key.create, sender=self)
