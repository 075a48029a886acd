"""The errors that a client sees: a code of the documented API, its HTTP status, a message, and details.

    PlatformError
    ├── Unauthorised          401  INVALID_API_KEY | INVALID_TOKEN
    ├── Forbidden             403  PERMISSION_DENIED | ACCOUNT_SUSPENDED
    ├── NotFound              404  BACKTEST_NOT_FOUND | TRAINING_RUN_NOT_FOUND | AGENT_NOT_FOUND | ...
    ├── Conflict              409  BACKTEST_INVALID_STATE | DUPLICATE_ACCOUNT | ...
    ├── BadRequest            400  INVALID_SYMBOL | BACKTEST_NO_DATA | INSUFFICIENT_BALANCE | ...
    ├── Invalid               422  VALIDATION_ERROR
    ├── TooLarge              413  BODY_TOO_LARGE
    ├── TooMany               429  RATE_LIMIT_EXCEEDED
    └── Unavailable           503  SERVICE_UNAVAILABLE

On the wire: `{"error": {"code", "message", "details"}}`; details only where there are any.
"""

from typing import Any

from tradeready_gym.errors import TradeReadyError


class PlatformError(TradeReadyError):
    """An answer that is not what was asked for."""

    status = 500
    code = "INTERNAL_ERROR"

    def __init__(self, message: str, *, code: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.code = code or self.code
        self.details = details

    def envelope(self) -> dict[str, Any]:
        """The body of the answer."""
        error: dict[str, Any] = {"code": self.code, "message": str(self)}
        if self.details:
            error["details"] = self.details
        return {"error": error}


class BadRequest(PlatformError):
    """The request cannot be done as it stands."""

    status, code = 400, "BAD_REQUEST"


class Unauthorised(PlatformError):
    """No key, or one that is unknown or revoked."""

    status, code = 401, "INVALID_API_KEY"


class Forbidden(PlatformError):
    """A good key that may not do this."""

    status, code = 403, "PERMISSION_DENIED"


class NotFound(PlatformError):
    """It does not exist, or belongs to somebody else: the answer is the same."""

    status, code = 404, "NOT_FOUND"


class Conflict(PlatformError):
    """Its state does not allow this."""

    status, code = 409, "CONFLICT"


class TooLarge(PlatformError):
    """The body is larger than the server takes."""

    status, code = 413, "BODY_TOO_LARGE"


class Invalid(PlatformError):
    """A field is outside its domain."""

    status, code = 422, "VALIDATION_ERROR"


class TooMany(PlatformError):
    """More requests than this key may make a minute."""

    status, code = 429, "RATE_LIMIT_EXCEEDED"


class Unavailable(PlatformError):
    """Something that the server needs does not answer."""

    status, code = 503, "SERVICE_UNAVAILABLE"
