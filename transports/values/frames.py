"""pandas: its tables, columns, indexes and times, in terms of numpy arrays and lists."""

from __future__ import annotations

from typing import Any

from transports.values.kinds import NoForm, name_of

# -- columns ------------------------------------------------------------------------------------


def _column(data: Any) -> Any:
    """The values of a column or index: an array of numpy's, or what an extension array has."""
    import pandas as pd

    dtype = data.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = _index(data.categories)
        return ("category", data.codes, categories, bool(data.ordered))
    if isinstance(dtype, pd.DatetimeTZDtype):
        return ("zoned", data.asi8, dtype.unit, str(dtype.tz), _zone(dtype.tz))
    if isinstance(dtype, pd.StringDtype):
        missing = "nan" if dtype.na_value is not pd.NA else "NA"
        texts = [None if each is dtype.na_value or each != each else each for each in data]
        return ("string", texts, dtype.storage, missing)
    if type(data).__name__ in _MASKED:
        return ("nullable", data._data, data._mask, str(dtype))
    if type(data).__name__ in _OF_NUMPY:
        array = data.to_numpy()
        return ("objects", list(array)) if array.dtype.hasobject else ("array", array)
    raise NoForm(f"a column of pandas dtype {dtype} has no form; convert it with astype")


_OF_NUMPY = ("NumpyExtensionArray", "PandasArray", "DatetimeArray", "TimedeltaArray")
_MASKED = ("IntegerArray", "FloatingArray", "BooleanArray")


def _zone(zone: Any) -> Any:
    import datetime as dt
    from zoneinfo import ZoneInfo

    if isinstance(zone, (dt.timezone, ZoneInfo)):
        return zone
    raise NoForm(f"a zone of type {name_of(type(zone))} has no form; use a zoneinfo key")


def _array(parts: Any) -> Any:
    """What `_column` gave, as an array that pandas takes."""
    import numpy as np
    import pandas as pd

    kind, values, *more = parts
    if kind == "array":
        return values
    if kind == "objects":
        array = np.empty(len(values), object)
        array[:] = values
        return array
    if kind == "category":
        categories, ordered = more
        return pd.Categorical.from_codes(values, _read_index(categories), ordered=ordered)
    if kind == "zoned":
        unit, _, zone = more
        return pd.DatetimeIndex(values.view(f"M8[{unit}]")).tz_localize("UTC").tz_convert(zone)
    if kind == "string":
        storage, missing = more
        na: Any = np.nan if missing == "nan" else pd.NA
        return pd.array(values, dtype=pd.StringDtype(storage, na_value=na))
    mask, name = more
    arrays = {"b": pd.arrays.BooleanArray, "I": pd.arrays.IntegerArray}
    arrays |= {"U": pd.arrays.IntegerArray, "F": pd.arrays.FloatingArray}
    return arrays[name[0]](values, mask)


# -- indexes --------------------------------------------------------------------------------------


def _index(index: Any) -> Any:
    import pandas as pd

    if isinstance(index, pd.RangeIndex):
        return ("range", (index.start, index.stop, index.step), index.name)
    if isinstance(index, pd.MultiIndex):
        levels = [_index(level) for level in index.levels]
        return ("multi", levels, [list(codes) for codes in index.codes], list(index.names))
    if isinstance(index, (pd.IntervalIndex, pd.PeriodIndex)):
        raise NoForm(f"a {type(index).__name__} has no form; send its ends, or its text")
    frequency = getattr(index, "freqstr", None)
    return ("index", _column(index.array), index.name, frequency)


def _read_index(parts: Any) -> Any:
    import pandas as pd

    kind, values, *more = parts
    if kind == "range":
        return pd.RangeIndex(*values, name=more[0])
    if kind == "multi":
        codes, names = more
        return pd.MultiIndex([_read_index(level) for level in values], codes, names=names)
    name, frequency = more
    column = _array(values)
    plain = values[0] == "objects"
    index = pd.Index(column, name=name, dtype=object if plain else None)
    if frequency is not None:
        index.freq = frequency
    return index


# -- tables ---------------------------------------------------------------------------------------


def _frame(frame: Any) -> Any:
    _refuse_subclass(frame)
    columns = [_column(frame.iloc[:, number].array) for number in range(frame.shape[1])]
    return (columns, _index(frame.columns), _index(frame.index), *_beside(frame))


def _read_frame(pandas: Any, parts: Any) -> Any:
    columns, names, index, attrs, *flags = parts
    rows = _read_index(index)
    arrays = {number: _array(each) for number, each in enumerate(columns)}
    frame = pandas.DataFrame(arrays, index=rows, copy=False)
    frame.columns = _read_index(names)
    frame.attrs.update(attrs)
    _set_flags(frame, flags)
    return frame


def _series(series: Any) -> Any:
    _refuse_subclass(series)
    return (_column(series.array), _index(series.index), series.name, *_beside(series))


def _read_series(pandas: Any, parts: Any) -> Any:
    column, index, name, attrs, *flags = parts
    dtype = object if column[0] == "objects" else None
    array = _array(column)
    series = pandas.Series(array, index=_read_index(index), name=name, dtype=dtype, copy=False)
    series.attrs.update(attrs)
    _set_flags(series, flags)
    return series


def _beside(value: Any) -> tuple[Any, ...]:
    """What a table has beside its values: attributes, and its one flag where it isn't as usual."""
    attrs = dict(value.attrs)
    return (attrs,) if value.flags.allows_duplicate_labels else (attrs, False)


def _set_flags(value: Any, flags: list[bool]) -> None:
    if flags:
        value.flags.allows_duplicate_labels = flags[0]


def _refuse_subclass(value: Any) -> None:
    import pandas as pd

    if type(value) not in (pd.DataFrame, pd.Series):
        raise NoForm(f"a {name_of(type(value))} may hold more than a table; send pandas' own type")


# -- times ----------------------------------------------------------------------------------------


def _timestamp(value: Any) -> Any:
    return (value.asm8.view("i8").item(), value.unit, value.tz and _zone(value.tz), value.fold)


def _read_timestamp(pandas: Any, parts: Any) -> Any:
    import numpy as np

    number, unit, zone, fold = parts
    moment = pandas.Timestamp(np.datetime64(number, unit))
    if zone is None:
        return moment.replace(fold=fold) if fold else moment
    return moment.tz_localize("UTC").tz_convert(zone)


def _timedelta(value: Any) -> Any:
    return (value.asm8.view("i8").item(), value.unit)


def _read_timedelta(pandas: Any, parts: Any) -> Any:
    import numpy as np

    return pandas.Timedelta(np.timedelta64(*parts))


TO_PARTS = {
    "DataFrame": _frame,
    "Series": _series,
    "Index": _index,
    "Timestamp": _timestamp,
    "Timedelta": _timedelta,
    "NaTType": lambda value: None,
    "NAType": lambda value: None,
    "Categorical": lambda value: _column(value),
}
FROM_PARTS = {
    "DataFrame": _read_frame,
    "Series": _read_series,
    "Index": lambda pandas, parts: _read_index(parts),
    "Timestamp": _read_timestamp,
    "Timedelta": _read_timedelta,
    "NaTType": lambda pandas, parts: pandas.NaT,
    "NAType": lambda pandas, parts: pandas.NA,
    "Categorical": lambda pandas, parts: _array(parts),
}
