//! The network that is trained: shapes and steps settled first, then a burn module built from them.
//!
//! ```text
//! layers of the configuration --plan--> Plan --Structure--> Network (burn module, float or integers)
//!                                                              |
//!                                                  fold --> FloatNetwork
//!                                  several of them --join--> FloatNetwork of an ensemble
//! ```

mod cpu;
mod fold;
mod join;
pub(crate) mod layout;
pub(crate) mod module;
mod plan;
mod structure;

pub use fold::fold;
pub use join::{join, joined_layers};
pub(crate) use layout::is_cpu;
pub(crate) use module::update_statistics;
pub use module::{Mode, Network};
pub use plan::{Normalization, Plan, Step, plan};
pub use structure::{Placed, Structure, Values};
