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

pub use nano::Model;
