//! The choice among one: a back end that was selected when the runtime was built.

use crate::order::Order;

/// The back end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Isa;

impl Isa {
    pub(crate) const ALL: [Self; 1] = [Self];

    pub(crate) const fn name(self) -> &'static str {
        env!("TENFOLD_CHOSEN_BACK_END")
    }

    /// The order of weights that it is fastest with.
    pub(crate) const fn order(self) -> Order {
        // With Helium both of Arm's are set, and what is fast with pairs is the other one.
        if cfg!(back_end = "armv81m") {
            Order::Plain
        } else if cfg!(back_end = "armv7em") {
            Order::Paired
        } else if cfg!(back_end = "armv6m") {
            Order::Planar
        } else if cfg!(back_end = "rv32im") {
            Order::Narrow
        } else if cfg!(back_end = "wasm32") {
            Order::Interleaved
        } else {
            Order::Plain
        }
    }

    pub(crate) const fn is_available(self) -> bool {
        true
    }
}

pub(crate) const fn chosen() -> Isa {
    Isa
}

pub(crate) const fn choose(_: Isa) -> bool {
    true
}
