"""What an address may say: nothing that a database cannot hold."""

from typing import Annotated

from fastapi import Path, Query, Request

from tradeready_gym.platform.errors import Invalid

_LARGEST = 2**31 - 1
EpisodeNumber = Annotated[int, Path(ge=0, le=_LARGEST)]
After = Annotated[int, Query(ge=-1, le=_LARGEST)]
# microseconds since 1970, of eighteen digits at most
Moment = Annotated[int, Query(ge=0, lt=10**18)]


def refuse_nul(request: Request) -> None:
    """A dependency that raises `Invalid` where the path or the query has a NUL, which PostgreSQL takes in no text."""
    for name, value in (*request.path_params.items(), *request.query_params.multi_items()):
        if "\0" in f"{name}{value}":
            raise Invalid(f"{name!r} must be text without a NUL", field=name)
