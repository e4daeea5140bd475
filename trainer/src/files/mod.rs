//! Files: what those of a model are called, and how a file is read and written.
//!
//! ```text
//! <directory>/<name>.postcard  <name>.onnx  <name>.float.onnx     one model, and
//!             <name>.golden.postcard                              its golden vectors,
//!             CARD.md, card.json, misclassified.png               what is to be said of it,
//!             <name>.<core>.postcard                              its weights in the order of a core
//! ```

mod disk;
mod model;

pub use disk::{Output, read, write_whole};
pub use model::{
    CARD_FIGURES, MISCLASSIFIED, model_files, model_of, models_in, refuse_other_models, reserved_ending,
};
