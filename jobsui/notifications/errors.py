class TargetRefused(Exception):
    """A message may not go there. `str()` of it is a sentence for people."""


class NotDelivered(Exception):
    """A message may not have arrived. `str()` of it is a sentence for people, without
    secrets."""
