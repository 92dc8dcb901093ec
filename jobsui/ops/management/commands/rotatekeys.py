from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobsui.connections import credentials
from jobsui.connections.encryption import SecretUnreadable
from jobsui.connections.errors import ZendeskError
from jobsui.connections.models import Connection


class Command(BaseCommand):
    help = (
        "Encrypts every stored secret again under the newest key of JOBSUI_ENCRYPTION_KEYS. Stopped half way, it goes "
        "on where it was. When it ends well, the old keys can be removed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        unreadable = []
        for connection in Connection.objects.iterator():
            try:
                count += credentials.reseal(connection)
            except (SecretUnreadable, ZendeskError) as error:
                unreadable.append(f"{connection}: {error}")
        self.stdout.write(
            f"{count} {'secret' if count == 1 else 'secrets'} encrypted again under the newest key."
        )
        if unreadable:
            raise CommandError(
                "Some secrets are left as they were. Keep the old keys.\n"
                + "\n".join(unreadable)
            )
