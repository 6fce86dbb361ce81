"""Forks: locks that are open in a child, whatever the threads of its parent were doing; and the end of a child."""

import os
import sys
import threading
import weakref

from . import _percache

new_lock = threading.RLock
#: Held while it is told what a function is.
lock = new_lock()
#: What has locks of its own: `renew` is called in a child.
renewed = weakref.WeakSet()


def _in_child():
    global lock
    lock = new_lock()
    for each in list(renewed):
        each.renew()


# Processes of `multiprocessing` end without Python's exit: they have finalizers of their own.


class _Marker:
    """What multiprocessing wants to be told of a fork."""


def _before_fork():
    util = sys.modules.get("multiprocessing.util")
    if util is not None and not hasattr(util, "_percache"):
        util._percache = True
        util.register_after_fork(_Marker, _finalize)


def _finalize(_):
    sys.modules["multiprocessing.util"].Finalize(None, _percache.close_all, exitpriority=-100)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_in_child)
if "multiprocessing.util" in sys.modules:
    _before_fork()
    if getattr(sys.modules.get("multiprocessing.process"), "parent_process", lambda: None)() is not None:
        _finalize(None)
