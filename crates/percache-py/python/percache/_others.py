"""What the objects of numpy, pandas, polars and torch consist of.

Their types are known by name: to import them here would take long. `key` asks for this module when it meets the first
object of a type that Python does not come with.
"""

from .key import _by_name, _by_pickling, name_of


def _of(module, *names):
    def decorate(function):
        for name in names:
            _by_name[module, name] = function
        return function

    return decorate


@_of("numpy", "ndarray")
def _array(value):
    import numpy

    if type(value) not in (numpy.ndarray, numpy.memmap):
        return _by_pickling(value)
    dtype = value.dtype
    if dtype.hasobject:
        return ("ndarray of objects", dtype.str, value.shape, value.reshape(-1).tolist())
    flat = numpy.ascontiguousarray(value).reshape(-1).view(numpy.uint8)
    data = flat.tobytes() if flat.nbytes <= 4096 else _sum(flat.data)
    return ("ndarray", dtype.str if dtype.names is None else dtype.descr, value.shape, data)


@_of("numpy", "MaskedArray")
def _masked_array(value):
    import numpy

    # Not as pickle has it: a fill value is set when somebody looks at it.
    mask = numpy.ma.getmaskarray(value)
    return ("masked array", name_of(type(value)), value.data, mask, value.fill_value, value.hardmask)


@_of("numpy", "generic")
def _scalar(value):
    dtype = value.dtype
    return ("scalar", dtype.str if dtype.names is None else dtype.descr, value.tobytes())


@_of("numpy", "dtype")
def _dtype(value):
    return ("dtype", value.str if value.names is None else value.descr)


@_of("numpy", "ufunc")
def _ufunc(value):
    return ("ufunc", value.__name__)


def _sum(buffer):
    import hashlib

    # Without the interpreter's lock.
    return hashlib.sha1(buffer).digest()


@_of("pandas", "DataFrame")
def _frame(value):
    columns = [value.iloc[:, place].array for place in range(value.shape[1])]
    return ("frame", name_of(type(value)), value.columns, value.index, columns, value.attrs)


@_of("pandas", "Series")
def _series(value):
    return ("series", name_of(type(value)), value.name, value.index, value.array, value.attrs)


@_of("pandas", "RangeIndex")
def _range_index(value):
    return ("range index", value.start, value.stop, value.step, list(value.names))


@_of("pandas", "MultiIndex")
def _multi_index(value):
    return ("multi-index", list(value.names), list(value.levels), [codes for codes in value.codes])


@_of("pandas", "Index")
def _index(value):
    return ("index", name_of(type(value)), list(value.names), value.array)


@_of("pandas", "Categorical")
def _categorical(value):
    return ("categorical", value.ordered, value.categories, value.codes)


@_of("pandas", "ExtensionArray")
def _extension_array(value):
    dtype = str(value.dtype)
    if hasattr(value, "asi8"):
        return ("times", dtype, value.asi8)
    if hasattr(value, "_mask") and hasattr(value, "_data"):
        # What lies under the mask may be anything.
        return ("masked", dtype, value._mask, value._data[~value._mask])
    if type(value).__name__ in ("NumpyExtensionArray", "PandasArray"):
        return ("column", dtype, value.to_numpy())
    return ("values", dtype, value.astype(object).tolist())


@_of("polars", "DataFrame")
def _polars_frame(value):
    return ("polars frame", value.height, [_polars_column(column) for column in value.get_columns()])


@_of("polars", "Series")
def _polars_series(value):
    return ("polars series",) + _polars_column(value)


def _polars_column(series):
    import io

    # Each for itself: what is written about several columns comes in any order.
    buffer = io.BytesIO()
    series.to_frame("").rechunk().write_ipc(buffer, compression="uncompressed")
    return series.name, str(series.dtype), buffer.getvalue()


@_of("torch", "Tensor")
def _tensor(value):
    data = value.detach().cpu().resolve_conj().resolve_neg()
    try:
        data = data.numpy()
    except TypeError:
        # Types that numpy does not have, such as bfloat16.
        import torch

        data = data.contiguous().reshape(-1).view(torch.uint8).numpy()
    return ("tensor", str(value.dtype), str(value.device), tuple(value.shape), value.requires_grad, data)
