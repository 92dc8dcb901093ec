from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "jobsui.web"

    def ready(self) -> None:
        from jobsui.web import sessions, sign_in_log  # noqa: PLC0415  # They need the models.

        sessions.connect()
        sign_in_log.connect()
