"""Keys in log lines: the address of a WebSocket has one in it, and servers log addresses."""

import logging
import re
import traceback

_KEY = re.compile(r"\b(ak_live_|sk_live_|tk_)([A-Za-z0-9_-]{4})[A-Za-z0-9_-]{8,}")
LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")


class MaskKeys(logging.Filter):
    """Lets every record pass, without the keys and tokens of this platform that it would show."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record's arguments, its message and its traceback."""
        if isinstance(record.args, tuple):
            # a formatter may want them one by one
            record.args = tuple(masked(part) if isinstance(part, str) else part for part in record.args)
        text = record.getMessage()
        if masked(text) != text:
            record.msg, record.args = masked(text), ()
        if record.exc_info:
            record.exc_text = masked("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
        return True


def masked(text: str) -> str:
    """The text with the first four characters of each key, and dots."""
    return _KEY.sub(r"\1\2...", text)


def mask_server_logs() -> None:
    """Mask what the server's own loggers write; again is no change."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(known, MaskKeys) for known in logger.filters):
            logger.addFilter(MaskKeys())
