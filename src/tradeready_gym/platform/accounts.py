"""Accounts, their agents and their keys, and who a request comes from."""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, text, update

from tradeready_gym.platform import clock, keys
from tradeready_gym.platform.database import Database
from tradeready_gym.platform.database.tables import accounts, agents, api_keys, logins, rows_of
from tradeready_gym.platform.errors import Conflict, Forbidden, NotFound, Unauthorised

_USED_EVERY = 60_000_000  # a key's last use is written once a minute at most
OWNER_NAME = "local"
# what every request asks is built once: building it takes longer than asking
_BY_DIGEST = select(api_keys, accounts.c.status).join(accounts).where(api_keys.c.digest == bindparam("found"))
_BY_TOKEN = (
    select(logins, accounts.c.status, api_keys.c.agent_id)
    .select_from(logins.join(accounts).outerjoin(api_keys, logins.c.key_id == api_keys.c.id))
    .where(logins.c.digest == bindparam("found"))
)
USER_SCOPES = ("read", "write", "paper")


@dataclass(frozen=True)
class Credential:
    """What somebody came with, as it is kept: the digest of a key, or of the token of a login."""

    kind: Literal["key", "token"]
    digest: str = field(repr=False)


@dataclass(frozen=True)
class Principal:
    """Who asks: an account, through a key or a login; `agent_id` if it acts for an agent, and `key_agent_id` only if the
    key is that agent's own, which cannot act for another."""

    account_id: str
    agent_id: str | None
    key_id: str | None
    scopes: frozenset[str]
    key_agent_id: str | None = None
    credential: Credential | None = field(default=None, compare=False)

    def require(self, scope: str) -> None:
        """Raise `Forbidden` unless the key may do this."""
        if scope not in self.scopes and "admin" not in self.scopes:
            raise Forbidden(
                f"this key has the scopes {' '.join(sorted(self.scopes)) or 'none'}; '{scope}' is needed. Make a key "
                f"that has it at /settings"
            )

    def may_see(self, agent_id: str | None) -> bool:
        """Whether what belongs to this agent, or with None to the account alone, is there for the caller."""
        return self.key_agent_id is None or self.key_agent_id == agent_id

    def require_agent(self, agent_id: str | None) -> None:
        """Raise `Forbidden` for the key of another agent; None is an agent that is yet to be made."""
        if self.key_agent_id is not None and self.key_agent_id != agent_id:
            raise Forbidden("an agent's key changes that agent only; use a key of the account")


def ensure_owner(database: Database) -> str | None:
    """The key of the first account, made if there is no account; None if there is one already."""
    with database.write() as connection:
        if connection.execute(select(accounts.c.id).limit(1)).first():
            return None
        account_id = create_account(connection, OWNER_NAME)
        return create_key(connection, account_id, name="first key", scopes=keys.SCOPES)[1]


def is_owned(database: Database) -> bool:
    """Whether there is an account."""
    with database.read() as connection:
        return connection.execute(select(accounts.c.id).limit(1)).first() is not None


def create_account(
    connection: Connection,
    display_name: str,
    *,
    email: str | None = None,
    password: str | None = None,
    starting_balance: str = "10000.00",
) -> str:
    """Add an account; returns its id.

    Raises:
        Conflict: the e-mail address is taken.
    """
    email = email.strip().lower() if email else None
    if email and connection.execute(select(accounts.c.id).where(accounts.c.email == email)).first():
        raise Conflict(
            "an account with this e-mail address exists; log in instead", code="DUPLICATE_ACCOUNT", email=email
        )
    account_id = str(uuid.uuid4())
    connection.execute(
        insert(accounts).values(
            id=account_id,
            display_name=display_name or "Agent",
            email=email,
            password_hash=keys.hash_password(password) if password else None,
            starting_balance=starting_balance,
            status="active",
            created_at=clock.now(),
        )
    )
    return account_id


def scopes_of_new(connection: Connection, registration: str) -> tuple[str, ...]:
    """What an account that registers now may do; `registration` is the setting. Nobody else registers meanwhile.

    Raises:
        Forbidden: the server takes no new accounts.
    """
    if registration == "open":
        return USER_SCOPES
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE accounts IN SHARE ROW EXCLUSIVE MODE"))
    if registration == "closed" or connection.execute(select(accounts.c.id).limit(1)).first():
        raise Forbidden(
            "this server takes no new accounts; its owner makes keys at /settings", registration=registration
        )
    return keys.SCOPES


def create_key(
    connection: Connection,
    account_id: str,
    *,
    name: str,
    scopes: tuple[str, ...] = USER_SCOPES,
    agent_id: str | None = None,
    with_secret: bool = False,
) -> tuple[str, str, str | None]:
    """Add a key; returns its id, the key and its secret, which nobody can ask for again."""
    key, secret = keys.new_key(), keys.new_key(keys.SECRET_PREFIX) if with_secret else None
    key_id = str(uuid.uuid4())
    connection.execute(
        insert(api_keys).values(
            id=key_id,
            account_id=account_id,
            agent_id=agent_id,
            name=name,
            preview=keys.preview(key),
            digest=keys.digest(key),
            secret_digest=keys.digest(secret) if secret else None,
            scopes=" ".join(scopes),
            created_at=clock.now(),
        )
    )
    return key_id, key, secret


def revoke_key(connection: Connection, caller: Principal, key_id: str) -> None:
    """Take a key back, with the logins that came from it; at once.

    Raises:
        NotFound: the caller sees no such key.
        Forbidden: the key can do what the caller cannot.
    """
    mine = (api_keys.c.id == key_id) & (api_keys.c.account_id == caller.account_id)
    # a database may refuse a NUL
    row = None if "\0" in key_id else connection.execute(select(api_keys).where(mine)).first()
    if row is None or not caller.may_see(row.agent_id):
        raise no_key(key_id)
    for scope in row.scopes.split():
        caller.require(scope)
    connection.execute(update(api_keys).where(mine).values(revoked_at=clock.now()))
    connection.execute(delete(logins).where(logins.c.key_id == key_id))


def list_keys(connection: Connection, account_id: str, agent_id: str | None = None) -> list[dict[str, Any]]:
    """The account's keys, or those of one agent of it, without what would open anything, newest first."""
    rows = connection.execute(
        select(api_keys).where(rows_of(api_keys, account_id, agent_id)).order_by(api_keys.c.created_at.desc())
    )
    return [
        {
            "key_id": row.id,
            "name": row.name,
            "api_key_preview": row.preview,
            "agent_id": row.agent_id,
            "scopes": row.scopes.split(),
            "created_at": clock.iso(row.created_at),
            "last_used_at": clock.iso(row.last_used_at),
            "revoked_at": clock.iso(row.revoked_at),
        }
        for row in rows
    ]


def find_by_key(database: Database, key: str) -> Principal:
    """Who has this key.

    Raises:
        Unauthorised: nobody has, or not any more.
        Forbidden: the account is suspended.
    """
    credential = Credential("key", keys.digest(key))
    with database.read() as connection:
        row = _key_row(connection, credential.digest)
    if row.last_used_at is None or clock.now() - row.last_used_at > _USED_EVERY:
        with database.write() as connection:
            connection.execute(update(api_keys).where(api_keys.c.id == row.id).values(last_used_at=clock.now()))
    return Principal(row.account_id, row.agent_id, row.id, frozenset(row.scopes.split()), row.agent_id, credential)


def find_by_token(database: Database, token: str) -> Principal:
    """Who logged in and got this token.

    Raises:
        Unauthorised: nobody did, or it has expired.
        Forbidden: the account is suspended.
    """
    credential = Credential("token", keys.digest(token))
    with database.read() as connection:
        row = _login_row(connection, credential.digest)
    return Principal(row.account_id, row.agent_id, row.key_id, frozenset(row.scopes.split()), row.agent_id, credential)


def require_good(database: Database, credential: Credential) -> None:
    """Check what an open stream was opened with; writes nothing.

    Raises:
        Unauthorised: the key was revoked, or the login has ended.
        Forbidden: the account is suspended.
    """
    with database.read() as connection:
        (_key_row if credential.kind == "key" else _login_row)(connection, credential.digest)


def log_in(database: Database, principal: Principal, hours: float) -> tuple[str, int]:
    """A token that stands for this principal, and when it expires.

    Raises:
        Unauthorised: its key was revoked meanwhile.
    """
    token = keys.new_key("tk_")
    expires = clock.now() + int(hours * 3_600_000_000)
    with database.write() as connection:
        _require_unrevoked(connection, principal.key_id)
        connection.execute(delete(logins).where(logins.c.expires_at < clock.now()))
        connection.execute(
            insert(logins).values(
                digest=keys.digest(token),
                account_id=principal.account_id,
                key_id=principal.key_id,
                scopes=" ".join(sorted(principal.scopes)),
                created_at=clock.now(),
                expires_at=expires,
            )
        )
    return token, expires


def log_out(database: Database, token: str) -> None:
    """Forget a token."""
    with database.write() as connection:
        connection.execute(delete(logins).where(logins.c.digest == keys.digest(token)))


def find_by_secret(database: Database, key: str, secret: str) -> Principal:
    """Who has this key and its secret.

    Raises:
        Unauthorised: the two do not belong together.
    """
    principal = find_by_key(database, key)
    with database.read() as connection:
        row = connection.execute(select(api_keys.c.secret_digest).where(api_keys.c.id == principal.key_id)).one()
    if row.secret_digest is None or not keys.same(row.secret_digest, keys.digest(secret)):
        raise Unauthorised("the API key and the secret do not belong together")
    return principal


def find_by_password(database: Database, email: str, password: str) -> Principal:
    """Who has this e-mail address and password: for all of the account, but `admin` only if it was ever given a key with it.

    Raises:
        Unauthorised: nobody has.
    """
    address = email.replace("\0", "").strip().lower()
    with database.read() as connection:
        row = connection.execute(select(accounts).where(accounts.c.email == address)).first()
        scopes = frozenset() if row is None else _scopes_of(connection, row.id)
    # an unknown address costs the same time as a wrong password
    kept = row.password_hash if row is not None and row.password_hash else keys.NO_PASSWORD
    if not keys.password_matches(password, kept) or row is None or not row.password_hash:
        raise Unauthorised("the e-mail address or the password is wrong")
    _require_active(row)
    return Principal(row.id, None, None, scopes)


def create_agent(connection: Connection, account_id: str, fields: dict[str, Any]) -> str:
    """Add an agent; `fields` are those of its table that a client chooses. Returns its id."""
    agent_id, at = str(uuid.uuid4()), clock.now()
    connection.execute(
        insert(agents).values(
            id=agent_id,
            account_id=account_id,
            display_name=fields["display_name"],
            starting_balance=fields.get("starting_balance", "10000.00"),
            llm_model=fields.get("llm_model"),
            framework=fields.get("framework"),
            strategy_tags=json.dumps(fields.get("strategy_tags") or []),
            risk_profile=json.dumps(fields.get("risk_profile") or {}),
            avatar_url=fields.get("avatar_url"),
            color=fields.get("color"),
            status="active",
            created_at=at,
            updated_at=at,
        )
    )
    return agent_id


def find_agent(connection: Connection, account_id: str, agent_id: str) -> Row[Any]:
    """The account's agent.

    Raises:
        NotFound: the account has no such agent.
    """
    mine = (agents.c.id == agent_id) & (agents.c.account_id == account_id)
    # a database may refuse a NUL
    row = None if "\0" in agent_id else connection.execute(select(agents).where(mine)).first()
    if row is None:
        raise no_agent(agent_id)
    return row


def no_agent(agent_id: str) -> NotFound:
    """There is no such agent, or the caller does not see it."""
    return NotFound(f"there is no agent {agent_id}", code="AGENT_NOT_FOUND", agent_id=agent_id)


def no_key(key_id: str) -> NotFound:
    """There is no such key, or the caller does not see it."""
    return NotFound(f"there is no key {key_id}", code="KEY_NOT_FOUND", key_id=key_id)


def _scopes_of(connection: Connection, account_id: str) -> frozenset[str]:
    # also a key that was revoked: who owns a server is not locked out of it by that
    mine = (api_keys.c.account_id == account_id) & api_keys.c.agent_id.is_(None)
    given = {scope for text in connection.scalars(select(api_keys.c.scopes).where(mine)) for scope in text.split()}
    return frozenset({*USER_SCOPES, *(given & {"admin"})})


def _key_row(connection: Connection, found: str) -> Row[Any]:
    row = connection.execute(_BY_DIGEST, {"found": found}).first()
    if row is None or not keys.same(row.digest, found) or row.revoked_at is not None:
        raise Unauthorised("the API key is unknown or revoked; make one at /settings")
    _require_active(row)
    return row


def _require_unrevoked(connection: Connection, key_id: str | None) -> None:
    # who revokes a key ends the logins that there are; the lock has one that is being made wait for that, or be there
    good = (
        select(api_keys.c.id).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None)).with_for_update(read=True)
    )
    if key_id is not None and connection.execute(good).first() is None:
        raise Unauthorised("the API key is unknown or revoked; make one at /settings")


def _login_row(connection: Connection, found: str) -> Row[Any]:
    row = connection.execute(_BY_TOKEN, {"found": found}).first()
    if row is None or not keys.same(row.digest, found) or row.expires_at < clock.now():
        raise Unauthorised("the token is unknown or has expired; log in again", code="INVALID_TOKEN")
    _require_active(row)
    return row


def _require_active(row: Row[Any]) -> None:
    if row.status != "active":
        raise Forbidden(f"the account is {row.status}", code="ACCOUNT_SUSPENDED")
