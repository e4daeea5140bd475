//! Ctrl-C while a network is trained: the first ends the run at the next step, the second the program at once.
//!
//! SIGTERM and a closed terminal (SIGHUP) count as Ctrl-C: who shuts a machine down wants the run saved as well.

use core::sync::atomic::{AtomicBool, Ordering};
use std::io;
use std::sync::{Arc, LazyLock, OnceLock};

use anyhow::{Result, anyhow};
#[cfg(unix)]
use signal_hook::consts::SIGHUP;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Exit code of a program that SIGINT ended, as shells have it: 128 + 2.
pub(super) const EXIT_CODE: u8 = 130;

/// Whether the next interrupt ends the program: while nothing is trained, and after the first one.
static AT_ONCE: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

/// While this lives, an interrupt does not end the program.
pub(super) struct Interrupts(());

impl Interrupts {
    /// Begins to catch interrupts.
    ///
    /// # Errors
    ///
    /// Where the system does not allow it.
    pub(super) fn catch() -> Result<Self> {
        static INSTALLED: OnceLock<Result<(), String>> = OnceLock::new();
        let installed = INSTALLED.get_or_init(|| install().map_err(|error| error.to_string()));
        installed.as_ref().map_err(|error| anyhow!("catching Ctrl-C: {error}"))?;
        AT_ONCE.store(false, Ordering::SeqCst);
        Ok(Self(()))
    }

    /// Whether one came.
    pub(super) fn came() -> bool {
        AT_ONCE.load(Ordering::SeqCst)
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        AT_ONCE.store(true, Ordering::SeqCst);
    }
}

fn install() -> io::Result<()> {
    #[cfg(unix)]
    let signals = [SIGINT, SIGTERM, SIGHUP];
    #[cfg(not(unix))]
    let signals = [SIGINT, SIGTERM];
    for signal in signals {
        // In this order: a signal first looks whether another came before it.
        flag::register_conditional_shutdown(signal, i32::from(EXIT_CODE), AT_ONCE.clone())?;
        flag::register(signal, AT_ONCE.clone())?;
    }
    Ok(())
}
