//! Reads the exported float ONNX file back into burn, with burn's own importer.
//!
//! ```text
//! burn, trained --trainer--> nano.float.onnx --burn-import, in build.rs--> nano.float.rs --here--> logits
//!                                   `--tract------------------------------------------------------> logits
//! ```
//!
//! That the two agree shows that the file means to other readers what it means to us, and that a
//! model can go on from here in burn: the imported [`Model`] is an ordinary, trainable module.

#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)] // generated
mod nano {
    include!(concat!(env!("OUT_DIR"), "/model/nano.float.rs"));
}

use burn::tensor::Device;
pub use nano::Model;

/// The imported model with the weights of the file, on `device`. (`Model::default()` would take whichever
/// device burn prefers among the features that were built in.)
pub fn imported(device: &Device) -> Model {
    Model::from_file(concat!(env!("OUT_DIR"), "/model/nano.float.bpk"), device)
}
