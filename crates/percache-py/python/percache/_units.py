"""Ages and sizes as users write them."""

_AGES = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SIZES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_SIZES.update({"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40})


def _split(text):
    text = text.strip().lower()
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    return number, text[len(number) :].strip()


def seconds(age, what="maxage"):
    """Returns an age in seconds: of a number, a `timedelta`, or text such as "90s" or "7d". None stays None."""
    if age is None:
        return None
    if isinstance(age, str):
        number, unit = _split(age)
        try:
            value = float(number) * _AGES[unit]
        except (KeyError, ValueError):
            raise ValueError(
                f'{what}={age!r} is no age: write a number of seconds, or text such as "90s", "30m", "12h" or "7d"'
            ) from None
    elif hasattr(age, "total_seconds"):
        value = age.total_seconds()
    elif isinstance(age, (int, float)) and not isinstance(age, bool):
        value = float(age)
    else:
        raise TypeError(f"{what} is a number of seconds, text or a timedelta, not {type(age).__name__}")
    if not value >= 0:
        raise ValueError(f"{what}={age!r} is negative or not a number")
    return value


def size(value, what="maxsize"):
    """Returns a size in bytes: of a number, or text such as "500MB" or "2GiB". None stays None."""
    if value is None:
        return None
    if isinstance(value, str):
        number, unit = _split(value)
        try:
            bytes_ = int(float(number) * _SIZES[unit])
        except (KeyError, ValueError, OverflowError):
            raise ValueError(f'{what}={value!r} is no size: write a number of bytes, or text such as "500MB"') from None
    elif isinstance(value, int) and not isinstance(value, bool):
        bytes_ = value
    else:
        raise TypeError(f"{what} is a number of bytes or text, not {type(value).__name__}")
    if bytes_ < 0:
        raise ValueError(f"{what}={value!r} is negative")
    return bytes_
