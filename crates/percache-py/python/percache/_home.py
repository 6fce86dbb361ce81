"""Where a function belongs: what it and its module are called, and which modules are of the same package."""

import os
import sys


def module_of(function):
    """Returns the name of a function's module: of a script its path, since every script is called `__main__`."""
    module = getattr(function, "__module__", None) or "?"
    if module not in ("__main__", "__mp_main__"):
        return module
    names = getattr(function, "__globals__", {})
    spec = names.get("__spec__")
    # In a child that was spawned, the script has another name.
    if getattr(spec, "name", None) and spec.name != "__mp_main__":
        return spec.name
    file = names.get("__vsc_ipynb_file__") or names.get("__file__")
    return os.path.realpath(file) if file else "__main__"


def short_name(function):
    """Returns the name of a function without the functions that it is defined in."""
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", None) or type(function).__qualname__
    return name.rpartition("<locals>.")[2]


def full_name(function):
    """Returns how people find a function: `package.module.name`, or `/path/of/script.py:name`."""
    module = module_of(function)
    return f"{module}{':' if os.sep in module else '.'}{short_name(function)}"


class Home:
    """Which modules belong together: those of one package; or, for a script, those that lie beside it."""

    def __init__(self, function):
        self.module = getattr(function, "__module__", None) or "?"
        self.top = self.module.partition(".")[0]
        names = getattr(function, "__globals__", {})
        self.directory = None
        module = sys.modules.get(self.top)
        if self.top in ("__main__", "__mp_main__") or (self.module == self.top and not hasattr(module, "__path__")):
            file = names.get("__file__")
            self.directory = os.path.dirname(os.path.realpath(file)) if file else os.getcwd()
        self.known = {}

    def has(self, module):
        if module is None:
            return False
        known = self.known.get(module)
        if known is None:
            known = self.known[module] = self.look(module)
        return known

    def look(self, module):
        if module == self.module or module.partition(".")[0] == self.top:
            return True
        if self.directory is None or is_installed(module):
            return False
        file = getattr(sys.modules.get(module), "__file__", None)
        return bool(file) and os.path.realpath(file).startswith(self.directory.rstrip(os.sep) + os.sep)


_installed = {}


def is_installed(module):
    """Returns whether a module is one of Python's or lies where packages are installed."""
    known = _installed.get(module)
    if known is None:
        file = getattr(sys.modules.get(module), "__file__", None)
        if module in ("__main__", "__mp_main__"):
            known = False
        elif not file:
            # Built in, or made by hand in a notebook.
            known = module in sys.builtin_module_names or module in sys.modules
        else:
            parts = os.path.realpath(file).split(os.sep)
            library = os.path.dirname(os.path.realpath(os.__file__)) + os.sep
            known = "site-packages" in parts or "dist-packages" in parts or file.startswith(library)
        _installed[module] = known
    return known
