"""`python -m percache FILE` prints what the original printed. All else is what the command `percache` is for."""

import os
import sys

from . import Error, _old, _percache


def main(arguments):
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m percache FILE", file=sys.stderr)
        return 2
    old = _old.files(arguments[0])
    if old:
        print(f"error: {_old.message(arguments[0], old)}", file=sys.stderr)
        return 1
    if not os.path.exists(arguments[0]):
        print(f"there is no cache at {arguments[0]}", file=sys.stderr)
        return 1
    try:
        print(_percache.Core("database", arguments[0], False, None, None, None, None, True).summary())
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
