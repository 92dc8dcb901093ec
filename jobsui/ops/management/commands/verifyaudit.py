from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobsui.audit import log
from jobsui.audit.models import Head


class Command(BaseCommand):
    help = (
        "Verifies that no entry of the audit log was changed or removed since it was written. "
        "Prints the digest of the last entry: keep it elsewhere to notice a log that was "
        "replaced as a whole."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        if found := log.mistake():
            raise CommandError(f"{found} The audit log was tampered with.")
        head = Head.objects.filter(pk=1).first() or Head()
        self.stdout.write(
            f"All {head.number:,} entries are as they were written. "
            f"Digest of the last one: {head.digest or 'none'}"
        )
