"""Caches of percache 0.4 and earlier, which were shelves: recognizing one. `_shelve` takes its results over."""

import os

#: What the kinds of dbm append to a path.
ENDINGS = ("", ".db", ".dat", ".dir", ".pag", ".bak")
#: Below the directory of a cache that has old results: which function owns those of a name.
DIRECTORY = "imported"


def files(path):
    """Returns the files of a shelf at `path`."""
    return [path + ending for ending in ENDINGS if os.path.isfile(path + ending)]


def message(path, found):
    """Says what is wrong with a path at which there is a shelf."""
    shown = ", ".join(found)
    return (
        f"{path!r} is a cache of percache 0.4 or another file ({shown}); this version keeps a cache in a directory. "
        f"percache.import_shelve({path!r}) makes a directory of it and takes the results over; "
        "or give another path, or remove the old file"
    )


def import_shelve(path, cache=None):
    """Takes over the results of a cache that percache 0.4 made at `path`. Returns their number.

    Without a `cache`, the new one takes the place of the old one, whose files are renamed: `results` becomes
    `results.old`. With one, a `Cache` or the path of one, the old files are left as they are.
    """
    from . import _shelve

    return _shelve.import_shelve(path, cache)


def imported(path):
    """Returns the old results of the cache at a path, or None: most have none."""
    directory = os.path.join(path, DIRECTORY)
    if not os.path.isdir(directory):
        return None
    from . import _shelve

    return _shelve.Imported(directory)
