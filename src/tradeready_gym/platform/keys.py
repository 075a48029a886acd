"""Keys: made here, shown once, kept as digests only."""

import hashlib
import hmac
import secrets

SCOPES = ("read", "write", "paper", "admin")
KEY_PREFIX, SECRET_PREFIX = "ak_live_", "sk_live_"
_RANDOM_BYTES = 48
NO_PASSWORD = f"{'00' * 16}:{'00' * 64}"  # a hash that no password has
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}


def new_key(prefix: str = KEY_PREFIX) -> str:
    """A key of 384 random bits."""
    return prefix + secrets.token_urlsafe(_RANDOM_BYTES)


def digest(key: str) -> str:
    """What is kept of a key: its SHA-256, 64 hexadecimal digits. The key is random, so nothing slower is needed."""
    return hashlib.sha256(key.encode("utf-8")).hexdigest()


def preview(key: str) -> str:
    """The part of a key that may be shown again."""
    return key[:12] + "..."


def same(one: str, other: str) -> bool:
    """Whether two digests are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(one, other)


def hash_password(password: str) -> str:
    """A salted scrypt hash of a password (RFC 7914)."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}:{hashlib.scrypt(password.encode('utf-8'), salt=salt, **_SCRYPT).hex()}"


def password_matches(password: str, kept: str) -> bool:
    """Whether the password is the one that was hashed."""
    salt, expected = kept.split(":")
    found = hashlib.scrypt(password.encode("utf-8"), salt=bytes.fromhex(salt), **_SCRYPT).hex()
    return same(found, expected)
