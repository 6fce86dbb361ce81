"""How results are pickled: with protocol 5, so that the bytes of large arrays are never copied.

A record begins with a byte that says what it is:

    p   the pickle
    i   a pickle whose buffers stand behind it
    a   a pickle whose buffers lie in a file beside the store, the attachment
    e   an exception that was kept: until when it holds, and its pickle
"""

import itertools
import os
import struct
import time

from . import _percache

try:
    # `pickle` itself takes as long to import as all of percache.
    import _pickle as pickle
except ImportError:
    import pickle

#: Smaller buffers are pickled in-band.
_SMALL = 4096
#: Buffers that are larger together lie in a file of their own.
_LARGE = 1 << 20
_ALIGNMENT = 64
_count = itertools.count()


class Unloadable(Exception):
    """A record that does not become a value any more."""


def dump(value, attachment, mmap):
    """Returns the record of a value, and how many bytes were written to `attachment`, a path or None."""
    buffers = []

    def out_of_band(buffer):
        try:
            raw = buffer.raw()
        except BufferError:
            return True
        if raw.nbytes < _SMALL:
            return True
        buffers.append(raw)
        return False

    data = pickle.dumps(value, 5, buffer_callback=out_of_band)
    if not buffers:
        return b"p" + data, 0
    if attachment is None or sum(raw.nbytes for raw in buffers) < _LARGE:
        head = struct.pack("<II%dQ" % len(buffers), len(buffers), len(data), *[raw.nbytes for raw in buffers])
        return b"".join([b"i", head, data, *buffers]), 0
    pieces, length = _attach(buffers, attachment, mmap)
    head = struct.pack("<BI", mmap, len(pieces)) + b"".join(struct.pack("<QQQ", *piece) for piece in pieces)
    return b"a" + head + data, length


def dump_error(error, until):
    """Returns the record of an exception that is kept until then; None: for ever."""
    pickled = pickle.dumps(error, 5)
    # Many exceptions are pickled without complaint and do not come back.
    pickle.loads(pickled)
    return b"e" + struct.pack("<d", float("inf") if until is None else until) + pickled


def _attach(buffers, path, durable):
    """Writes buffers to a file, in one step. Returns where each begins, how long it is, and its checksum."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    new = "%s.%d-%d.new" % (path, os.getpid(), next(_count))
    places, length = [], 0
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0) as file:
            for raw in buffers:
                padding = -length % _ALIGNMENT
                _write(file, bytes(padding))
                _write(file, raw)
                places.append((length + padding, raw.nbytes))
                length += padding + raw.nbytes
            if durable:
                # What is mapped is not checked when it is read.
                os.fsync(file.fileno())
        sums = _percache.checksums(new, places)
        os.replace(new, path)
    except BaseException:
        try:
            os.unlink(new)
        except OSError:
            pass
        raise
    return [place + (checksum,) for place, checksum in zip(places, sums)], length


def _write(file, data):
    with memoryview(data) as view:
        while len(view):
            view = view[file.write(view) :]


def load_other(kind, payload, path, mmap):
    """Makes a value of a record that is more than a pickle. Returns whether it is an exception, and the value.

    `(None, None)`: it is an exception that was not to be kept for longer.
    """
    kind = chr(kind)
    if kind == "i":
        return False, _load_inline(payload)
    if kind == "a":
        return False, _load_attached(payload, path, mmap)
    if kind == "e":
        (until,) = struct.unpack_from("<d", payload)
        if time.time() >= until:
            return None, None
        return True, pickle.loads(memoryview(payload)[8:])
    raise Unloadable("it is of a later version of percache")


def _load_inline(payload):
    count, length = struct.unpack_from("<II", payload)
    lengths = struct.unpack_from("<%dQ" % count, payload, 8)
    at = 8 + 8 * count
    data = payload[at : at + length]
    at += length
    buffers = []
    for size in lengths:
        buffers.append(bytearray(payload[at : at + size]))
        at += size
    return pickle.loads(data, buffers=buffers)


def _load_attached(payload, path, mmap):
    durable, count = struct.unpack_from("<BI", payload)
    pieces = [struct.unpack_from("<QQQ", payload, 5 + 24 * place) for place in range(count)]
    data = memoryview(payload)[5 + 24 * count :]
    if mmap:
        buffers = _map(path, pieces, durable)
    else:
        buffers = _percache.read(path, pieces)
    return pickle.loads(data, buffers=buffers)


def _map(path, pieces, durable):
    import mmap

    if not durable:
        # A power failure may have left holes in the file.
        sums = _percache.checksums(path, [piece[:2] for piece in pieces])
        if sums != [piece[2] for piece in pieces]:
            raise Unloadable("the file is not what it was")
    with open(path, "rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    if any(begin + length > len(mapped) for begin, length, _ in pieces):
        raise Unloadable("the file is shorter than it was")
    return [mapped[begin : begin + length] for begin, length, _ in pieces]
