//! Where the training computes.

#[cfg(not(all(feature = "cuda", feature = "wgpu")))]
use anyhow::bail;
use anyhow::{Result, ensure};
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
    /// So many devices, or one line that says what to install or how to build.
    ///
    /// # Errors
    ///
    /// Where this program or this machine has no such device, or not so many.
    pub fn devices(self, count: usize) -> Result<Vec<Device>> {
        let mut found = match self {
            Self::Cpu => {
                ensure!(
                    count == 1,
                    "--devices {count}: expected 1 with --backend cpu, which takes all cores by itself (--shards)"
                );
                vec![Device::flex()]
            }
            Self::Cuda => cuda()?,
            Self::Wgpu => wgpu()?,
        };
        ensure!(
            (1..=found.len()).contains(&count),
            "--devices {count}: expected 1 to {}, which is how many this machine has",
            found.len()
        );
        found.truncate(count);
        Ok(found)
    }
}

#[cfg(feature = "cuda")]
fn cuda() -> Result<Vec<Device>> {
    let devices = Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec();
    ensure!(
        !devices.is_empty(),
        "--backend cuda: no NVIDIA GPU found; install the NVIDIA driver (libcuda.so) and check that \
         `nvidia-smi` lists a GPU, or use --backend cpu"
    );
    Ok(devices)
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<Vec<Device>> {
    bail!(
        "--backend cuda: this binary was built without it; build with `cargo build --release --features cuda` \
         (its build downloads LLVM), or use --backend cpu"
    )
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Result<Vec<Device>> {
    let devices = Device::enumerate(burn::tensor::DeviceType::Wgpu).into_vec();
    ensure!(
        !devices.is_empty(),
        "--backend wgpu: no graphics adapter found; install a Vulkan driver (on Debian: `apt install \
         libvulkan1 mesa-vulkan-drivers`, which also has one in software), or use --backend cpu"
    );
    Ok(devices)
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Result<Vec<Device>> {
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
            if let Err(error) = backend.devices(1) {
                let message = error.to_string();
                assert!(message.contains(name) && message.contains("--backend cpu"), "{message}");
                assert!(!message.contains('\n'));
            }
        }
        assert_eq!(Backend::Cpu.devices(1).unwrap().len(), 1);
        for count in [0, 2] {
            let message = Backend::Cpu.devices(count).unwrap_err().to_string();
            assert!(message.contains("--shards"), "{message}");
        }
    }
}
