//! Which back end computes, on a host: one of those that the processor can run.
//!
//! The fastest is chosen by itself. Tests choose one after the other, and benchmarks compare them; all
//! give the same bits. A choice is for the whole process.

use crate::kernel::choice::{self, Isa};
use crate::order::Order;

/// The names of all back ends that were built in, the fastest first, and whether each can run here.
pub fn all() -> impl Iterator<Item = (&'static str, bool)> {
    Isa::ALL.into_iter().map(|isa| (isa.name(), isa.is_available()))
}

/// The name of the one that computes now.
#[must_use]
pub fn current() -> &'static str {
    choice::chosen().name()
}

/// Has the one with this name compute from now on; `false`, and no change, where there is none or it
/// cannot run here.
#[must_use]
pub fn choose(name: &str) -> bool {
    Isa::ALL.into_iter().find(|isa| isa.name() == name).is_some_and(choice::choose)
}

/// The order of weights that the current one is fastest with; see `format::reorder`.
#[must_use]
pub fn order() -> Order {
    choice::chosen().order()
}
