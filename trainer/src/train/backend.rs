//! Where the training computes.

use anyhow::{Result, bail};
use burn::tensor::Device;

/// A backend of burn, chosen at run time among those that were built in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Backend {
    /// All cores of this machine; always there.
    #[default]
    Cpu,
    /// An NVIDIA GPU (feature `cuda`).
    Cuda,
    /// Any GPU with a Vulkan, Metal or DirectX 12 driver (feature `wgpu`).
    Wgpu,
}

impl Backend {
    /// The device, or one line that says what to install or how to build.
    ///
    /// # Errors
    ///
    /// Where this program or this machine has no such device.
    pub fn device(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            Self::Cuda => cuda(),
            Self::Wgpu => wgpu(),
        }
    }
}

#[cfg(feature = "cuda")]
fn cuda() -> Result<Device> {
    use burn::tensor::DeviceType;

    match Device::enumerate(DeviceType::Cuda).into_vec().into_iter().next() {
        Some(device) => Ok(device),
        None => bail!(
            "--backend cuda: no NVIDIA GPU found; install the NVIDIA driver (libcuda.so) and check that \
             `nvidia-smi` lists a GPU, or use --backend cpu"
        ),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<Device> {
    bail!(
        "--backend cuda: this binary was built without it; build with `cargo build --release --features cuda` \
         (its build downloads LLVM), or use --backend cpu"
    )
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Result<Device> {
    use burn::tensor::DeviceType;

    match Device::enumerate(DeviceType::Wgpu).into_vec().into_iter().next() {
        Some(device) => Ok(device),
        None => bail!(
            "--backend wgpu: no graphics adapter found; install a Vulkan driver (on Debian: `apt install \
             libvulkan1 mesa-vulkan-drivers`, which also has one in software), or use --backend cpu"
        ),
    }
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Result<Device> {
    bail!(
        "--backend wgpu: this binary was built without it; build with `cargo build --release --features wgpu`, \
         or use --backend cpu"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_that_is_not_there_says_what_to_do() {
        for (backend, name) in [(Backend::Cuda, "cuda"), (Backend::Wgpu, "wgpu")] {
            if let Err(error) = backend.device() {
                let message = error.to_string();
                assert!(message.contains(name) && message.contains("--backend cpu"), "{message}");
                assert!(!message.contains('\n'));
            }
        }
        assert!(Backend::Cpu.device().is_ok());
    }
}
