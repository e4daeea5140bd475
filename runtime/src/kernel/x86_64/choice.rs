//! What vectors the processor has, and which are used.
//!
//! Asked once, of `CPUID` and, for what the operating system keeps of a thread, of `XGETBV` (Intel
//! Software Developer's Manual, volume 1, 13.2 and 14.3): `core` has no `is_x86_feature_detected!`.

use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use core::sync::atomic::{AtomicU8, Ordering};

use crate::order::Order;

/// An instruction set that there is a file for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isa {
    Portable,
    Avx2,
    AvxVnni,
    Avx512,
}

impl Isa {
    /// All of them, the fastest first.
    pub(crate) const ALL: [Self; 4] = [Self::Avx512, Self::AvxVnni, Self::Avx2, Self::Portable];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avx-vnni",
            Self::Avx512 => "avx512",
        }
    }

    /// The order of weights that it is fastest with.
    pub(crate) const fn order(self) -> Order {
        match self {
            Self::Portable => Order::Plain,
            Self::Avx2 | Self::AvxVnni | Self::Avx512 => Order::Interleaved,
        }
    }

    /// Whether the processor and the operating system have it.
    pub(crate) fn is_available(self) -> bool {
        let has = Features::detect();
        match self {
            Self::Portable => true,
            Self::Avx2 => has.avx2,
            Self::AvxVnni => has.avx2 && has.avx_vnni,
            Self::Avx512 => has.avx512,
        }
    }
}

/// The index in [`Isa::ALL`] of what is used, and `u8::MAX` while nobody has asked.
static CHOICE: AtomicU8 = AtomicU8::new(u8::MAX);

/// The instruction set to use: the fastest that there is, unless [`choose`] has named another.
#[inline]
pub(crate) fn chosen() -> Isa {
    // What is stored is a number alone, that no other memory depends on.
    match Isa::ALL.get(usize::from(CHOICE.load(Ordering::Relaxed))) {
        Some(&isa) => isa,
        None => choose_fastest(),
    }
}

/// Uses `isa` from now on, in all threads; whether it is available.
pub(crate) fn choose(isa: Isa) -> bool {
    let available = isa.is_available();
    if available
        && let Some(index) = (0..).zip(Isa::ALL).find_map(|(index, one)| (one == isa).then_some(index))
    {
        CHOICE.store(index, Ordering::Relaxed);
    }
    available
}

#[cold]
fn choose_fastest() -> Isa {
    let fastest = Isa::ALL.into_iter().find(|isa| isa.is_available()).unwrap_or(Isa::Portable);
    choose(fastest);
    fastest
}

/// What the processor can do and the operating system allows.
struct Features {
    avx2: bool,
    avx_vnni: bool,
    /// F, BW, VL and VNNI.
    avx512: bool,
}

impl Features {
    fn detect() -> Self {
        let bit = |register: u32, bit: u32| register >> bit & 1 == 1;
        let none = Self { avx2: false, avx_vnni: false, avx512: false };
        if __cpuid(0).eax < 7 {
            return none;
        }
        let basic = __cpuid(1).ecx;
        let (os_xsave, avx) = (bit(basic, 27), bit(basic, 28));
        if !os_xsave || !avx {
            return none;
        }
        // SAFETY: bit 27 says that the operating system has enabled the instruction.
        let saved = unsafe { _xgetbv(0) };
        let (xmm_and_ymm, zmm) = (0b110, 0b1110_0110);
        if saved & xmm_and_ymm != xmm_and_ymm {
            return none;
        }
        let extended = __cpuid_count(7, 0);
        let avx2 = bit(extended.ebx, 5);
        let avx_vnni = extended.eax >= 1 && bit(__cpuid_count(7, 1).eax, 4);
        let [f, bw, vl] = [16, 30, 31].map(|number| bit(extended.ebx, number));
        let avx512 = f && bw && vl && bit(extended.ecx, 11) && saved & zmm == zmm;
        Self { avx2, avx_vnni, avx512 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_the_standard_library_finds() {
        use std::arch::is_x86_feature_detected as has;
        let avx512 = has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx512vnni");
        let expected = [avx512, has!("avx2") && has!("avxvnni"), has!("avx2"), true];
        assert_eq!(Isa::ALL.map(Isa::is_available), expected);
    }
}
