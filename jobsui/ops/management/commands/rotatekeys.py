from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError

from jobsui.access import factors
from jobsui.connections import credentials
from jobsui.connections.encryption import SecretUnreadable
from jobsui.connections.errors import ZendeskError
from jobsui.connections.models import Connection
from jobsui.notifications import channels
from jobsui.notifications.models import Channel
from jobsui.text import counted


class Command(BaseCommand):
    help = (
        "Encrypts every stored secret again under the newest key of "
        "JOBSUI_ENCRYPTION_KEYS. An interrupted run can be repeated. "
        "When the command succeeds, the old keys can be removed."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        count = 0
        unreadable = []
        for connection in Connection.objects.iterator():
            try:
                count += credentials.reseal(connection)
            except (SecretUnreadable, ZendeskError) as error:
                unreadable.append(f"{connection}: {error}")
        for factor in Authenticator.objects.select_related("user").iterator():
            try:
                count += factors.reseal(factor)
            except SecretUnreadable as error:
                unreadable.append(f"Second factor of {factor.user}: {error}")
        for channel in Channel.objects.iterator():
            try:
                count += channels.reseal(channel)
            except SecretUnreadable as error:
                unreadable.append(f"{channel}: {error}")
        self.stdout.write(
            f"{counted(count, 'secret')} encrypted again under the newest key."
        )
        if unreadable:
            raise CommandError(
                "Some secrets were not changed. Keep the old keys.\n"
                + "\n".join(unreadable)
            )
