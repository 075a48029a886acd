"""What was computed lately, kept up to a limit and shared within the process."""

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class RecentlyUsed(Generic[Key, Value]):
    """A mapping that forgets what was used longest ago once it exceeds `entries`, or `size` in the unit of `put`."""

    def __init__(self, entries: int, size: int | None = None) -> None:
        self._entries = entries
        self._size = size
        self._items: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        """The value, or None if it is not there (any more)."""
        with self._lock:
            if key not in self._items:
                return None
            self._items.move_to_end(key)
            return self._items[key][0]

    def put(self, key: Key, value: Value, size: int = 0) -> None:
        """Keep the value; one that is larger than the whole limit is not kept."""
        if self._size is not None and size > self._size:
            return
        with self._lock:
            self._items[key] = (value, size)
            self._items.move_to_end(key)
            while len(self._items) > self._entries or self._oversized():
                self._items.popitem(last=False)

    def forget(self, key: Key) -> None:
        """Keep it no longer, if it is there."""
        with self._lock:
            self._items.pop(key, None)

    def _oversized(self) -> bool:
        return self._size is not None and sum(size for _, size in self._items.values()) > self._size
