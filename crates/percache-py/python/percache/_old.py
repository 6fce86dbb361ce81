"""Caches of percache 0.4 and earlier, which were shelves."""

import os

#: What the kinds of dbm append to a path.
_ENDINGS = ("", ".db", ".dat", ".dir", ".pag", ".bak")


def files(path):
    """Returns the files of a shelf at `path`."""
    return [path + ending for ending in _ENDINGS if os.path.isfile(path + ending)]


def message(path, found):
    """Says what is wrong with a path at which there is a shelf."""
    shown = ", ".join(found)
    return (
        f"{path!r} is a cache of percache 0.4 or another file ({shown}); this version keeps a cache in a directory. "
        "Its results cannot be taken over, since they are not stored under the code that computed them: "
        "give another path, or remove the old file"
    )
