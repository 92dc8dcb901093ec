"""Second factors of people: authenticator apps, passkeys and recovery codes, as
`allauth.mfa` stores them."""

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from jobsui.access import policy, sessions, tokens
from jobsui.access.models import Role
from jobsui.connections import encryption

LOCATION = "second factor"
SEALED = ("secret", "seed")
"""Names in the data of a factor: of an authenticator app, and of recovery codes. The data of
a passkey is public."""
ENTERED = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
"""Recovery codes alone are no second factor."""


def has_one(person: User) -> bool:
    return _entered().filter(user=person).exists()


def with_factor(people: QuerySet[User]) -> QuerySet[User]:
    """The same people, each with `has_factor`."""
    return people.annotate(has_factor=Exists(_entered().filter(user=OuterRef("pk"))))


def is_required(person: User) -> bool:
    """Whether the person has the role that the settings name, or a higher one."""
    least: str = settings.REQUIRE_SECOND_FACTOR
    return bool(least) and policy.has_role(person, Role(least))


def is_missing(person: User) -> bool:
    return is_required(person) and not has_one(person)


@transaction.atomic
def remove_all(person: User, *, revoke_tokens: bool = False) -> None:
    """The password alone opens the account from then on. Ends the person's sessions."""
    Authenticator.objects.filter(user=person).delete()
    if revoke_tokens:
        tokens.revoke_all(person)
    sessions.discard_all(person)


def encrypt(text: str) -> str:
    return encryption.encrypt(text, location=LOCATION)


def decrypt(stored: str) -> str:
    """Raises SecretUnreadable."""
    return encryption.decrypt(stored, location=LOCATION)


def reseal(factor: Authenticator) -> int:
    """How many secrets were encrypted again under the newest key. Raises
    SecretUnreadable."""
    with transaction.atomic():
        current = Authenticator.objects.select_for_update().filter(pk=factor.pk).first()
        data = current.data if current else {}
        old = {
            name: data[name]
            for name in SEALED
            if name in data and not encryption.is_current(data[name])
        }
        if current is None or not old:
            return 0
        data |= {name: encrypt(decrypt(text)) for name, text in old.items()}
        current.save(update_fields=["data"])
        return len(old)


def _entered() -> QuerySet[Authenticator]:
    found: QuerySet[Authenticator] = Authenticator.objects.filter(type__in=ENTERED)
    return found
