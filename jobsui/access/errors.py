class TokenRefused(Exception):
    """An API token that cannot be made. `str()` of it is a sentence a person can act
    on."""
