from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "jobsui.web"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in  # noqa: PLC0415

        from jobsui.web.sessions import note_start  # noqa: PLC0415

        user_logged_in.connect(note_start)

        from jobsui.web import sign_in_log  # noqa: PLC0415  # It needs the models.

        sign_in_log.connect()
