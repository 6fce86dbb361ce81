"""A mapping of the user as a back-end: text as keys, bytes as values, one thread at a time."""

from . import _forks

#: What is appended to a key in each table of the core.
_SUFFIXES = {"results": "", "entries": ":entry", "uses": ":atime"}
_LENGTH = 40


class Mapping:
    """What the native half calls."""

    def __init__(self, mapping):
        self._mapping = mapping
        self._lock = _forks.new_lock()
        _forks.renewed.add(self)
        self._closed = False

    def renew(self):
        self._lock = _forks.new_lock()

    def get(self, table, key):
        with self._lock:
            try:
                value = self._mapping[key + _SUFFIXES[table]]
            except KeyError:
                return None
        # Whoever else uses the mapping may have put anything there.
        return bytes(value) if isinstance(value, (bytes, bytearray)) else None

    def put(self, table, key, value):
        with self._lock:
            self._mapping[key + _SUFFIXES[table]] = value

    def remove(self, table, key):
        with self._lock:
            try:
                del self._mapping[key + _SUFFIXES[table]]
            except KeyError:
                pass

    def keys(self, table):
        suffix = _SUFFIXES[table]
        with self._lock:
            keys = [key for key in list(self._mapping) if isinstance(key, str)]
        return [key[:_LENGTH] for key in keys if len(key) == _LENGTH + len(suffix) and key.endswith(suffix)]

    def sync(self):
        with self._lock:
            sync = getattr(self._mapping, "sync", None)
            if sync is not None:
                sync()

    def close(self):
        with self._lock:
            close = getattr(self._mapping, "close", None)
            if close is not None and not self._closed:
                self._closed = True
                close()
