//! Which argument is which parameter: positional, keyword and default forms of one call are one.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::encode::Encoder;

/// The parameters of a function.
pub struct Parameters {
    /// Those that have a name, positional ones first.
    named: Vec<Parameter>,
    /// How many can be given by position.
    positional: usize,
    /// How many of these can be given by position only.
    positional_only: usize,
    /// `*args`: whether there is one, and whether it counts.
    rest: Option<bool>,
    /// `**kwargs`: whether there is one, and whether it counts.
    keywords: Option<bool>,
}

struct Parameter {
    name: Py<PyString>,
    default: Option<Py<PyAny>>,
    counts: bool,
}

/// What is known of a parameter in Python: its name, its default in a tuple of one, and whether it counts.
type Described = (Py<PyString>, Option<(Py<PyAny>,)>, bool);

/// What is done with each argument that counts, and the number of its parameter if that has a name of its own.
type Each<'a, 'py> = dyn FnMut(Option<usize>, &Bound<'py, PyAny>) -> PyResult<()> + 'a;

impl Parameters {
    /// Takes what Python knows of a function.
    pub fn new(
        named: Vec<Described>,
        positional: usize,
        positional_only: usize,
        rest: Option<bool>,
        keywords: Option<bool>,
    ) -> Parameters {
        let parameter =
            |(name, default, counts): Described| Parameter { name, default: default.map(|(default,)| default), counts };
        let named = named.into_iter().map(parameter).collect();
        Parameters { named, positional, positional_only, rest, keywords }
    }

    /// Binds arguments and hands each that counts to `each`, in the order of the parameters: what `*args` takes as a
    /// tuple, what `**kwargs` takes as a dict. `false`: the call is wrong, and Python will say how.
    pub fn bind<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
        each: &mut Each<'_, 'py>,
    ) -> PyResult<bool> {
        let given = args.len();
        if given > self.positional && self.rest.is_none() {
            return Ok(false);
        }
        let kwargs = kwargs.filter(|kwargs| !kwargs.is_empty());
        let mut taken = 0;
        for (place, parameter) in self.named.iter().enumerate() {
            let keyword = match kwargs {
                Some(kwargs) if place >= self.positional_only => kwargs.get_item(parameter.name.bind(py))?,
                _ => None,
            };
            taken += usize::from(keyword.is_some());
            let by_position = place < given.min(self.positional);
            if by_position && keyword.is_some() {
                return Ok(false);
            }
            if !parameter.counts {
                // That it is missing, Python says as well when the function is called.
                continue;
            }
            if by_position {
                each(Some(place), &args.get_item(place)?)?;
            } else if let Some(keyword) = keyword {
                each(Some(place), &keyword)?;
            } else if let Some(default) = &parameter.default {
                each(Some(place), default.bind(py))?;
            } else {
                return Ok(false);
            }
        }
        self.bind_rest(args, each)?;
        self.bind_keywords(py, kwargs, taken, each)
    }

    fn bind_rest<'py>(&self, args: &Bound<'py, PyTuple>, each: &mut Each<'_, 'py>) -> PyResult<()> {
        if self.rest == Some(true) {
            let from = self.positional.min(args.len());
            each(None, args.get_slice(from, args.len()).as_any())?;
        }
        Ok(())
    }

    fn bind_keywords<'py>(
        &self,
        py: Python<'py>,
        kwargs: Option<&Bound<'py, PyDict>>,
        taken: usize,
        each: &mut Each<'_, 'py>,
    ) -> PyResult<bool> {
        let others = kwargs.map_or(0, |kwargs| kwargs.len() - taken);
        let Some(counts) = self.keywords else { return Ok(others == 0) };
        if counts {
            let rest = PyDict::new(py);
            if let Some(kwargs) = kwargs.filter(|_| others > 0) {
                rest.update(kwargs.as_mapping())?;
                for parameter in &self.named[self.positional_only..] {
                    if rest.contains(parameter.name.bind(py))? {
                        rest.del_item(parameter.name.bind(py))?;
                    }
                }
            }
            each(None, rest.as_any())?;
        }
        Ok(true)
    }

    /// Adds the arguments of a call to a key. `false`: the call is wrong.
    pub fn encode<'py>(
        &self,
        encoder: &mut Encoder<'py>,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<bool> {
        self.bind(py, args, kwargs, &mut |_, value| encoder.add(value))
    }

    /// Returns the name of a parameter.
    pub fn name<'py>(&self, py: Python<'py>, place: Option<usize>) -> Bound<'py, PyString> {
        match place.and_then(|place| self.named.get(place)) {
            Some(parameter) => parameter.name.bind(py).clone(),
            None => PyString::new(py, "*"),
        }
    }
}
