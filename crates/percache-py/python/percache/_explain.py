"""Says whether a call is a hit, and if not, what differs from the nearest call that is stored."""


class Explanation:
    """What `explain` found. `hit` says whether the result is there; its text says the rest."""

    __slots__ = ("hit", "function", "reasons", "nearest")

    def __init__(self, hit, function, reasons, nearest=None):
        self.hit = hit
        self.function = function
        self.reasons = reasons
        self.nearest = nearest

    def __bool__(self):
        return self.hit

    def __repr__(self):
        return str(self)

    def __str__(self):
        lines = [f"{'hit' if self.hit else 'miss'}: {self.function}"]
        lines += ["  " + reason for reason in self.reasons]
        return "\n".join(lines)


def explain(function, /, *args, **kwargs):
    """Says whether this call would be found, and what differs from the nearest one that was. Computes nothing."""
    raise NotImplementedError
