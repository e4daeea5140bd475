//! What a `const fn` has to do without, because traits (`?`, `for`, `Ord`, indexing by `get`) cannot be used in
//! one yet: a model is checked while a program is compiled by the same code as at run time.

/// The value of an `Option`, or a return of `None`: `?`.
macro_rules! attempt {
    ($option:expr) => {
        match $option {
            Some(value) => value,
            None => return None,
        }
    };
}
pub(crate) use attempt;

/// The value of a `Result`, or a return of its error: `?`.
macro_rules! pass {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Err(error),
        }
    };
}
pub(crate) use pass;

/// `bytes.get(index)`.
#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "compared before")]
pub(crate) const fn at(bytes: &[u8], index: usize) -> Option<u8> {
    if index < bytes.len() { Some(bytes[index]) } else { None }
}

/// `bytes.get(start..start + length)`.
#[inline(always)]
pub(crate) const fn part(bytes: &[u8], start: usize, length: usize) -> Option<&[u8]> {
    let (_, tail) = attempt!(bytes.split_at_checked(start));
    let (part, _) = attempt!(tail.split_at_checked(length));
    Some(part)
}

/// The smaller one.
#[inline(always)]
pub(crate) const fn smaller(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}

/// The larger one.
#[inline(always)]
pub(crate) const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// Whether all bytes are zero.
pub(crate) const fn is_zero(bytes: &[u8]) -> bool {
    let (mut rest, mut all) = (bytes, 0);
    while let [byte, tail @ ..] = rest {
        all |= *byte;
        rest = tail;
    }
    all == 0
}

/// The sum of the magnitudes of some bytes as `i8`.
pub(crate) const fn magnitude(bytes: &[u8]) -> u64 {
    let (mut rest, mut sum) = (bytes, 0);
    while let [byte, tail @ ..] = rest {
        sum += (*byte as i8).unsigned_abs() as u64;
        rest = tail;
    }
    sum
}
