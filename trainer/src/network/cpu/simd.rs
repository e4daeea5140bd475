//! Vectors of `f32`, of the width that the processor has.
//!
//! A [`Kernel`] is written once, over [`Simd`]; [`run`] compiles it for AVX-512, for AVX2 and for
//! the instructions that every processor of the target has, and takes the widest at run time.
//! Vectors hold the same position of different images, and what is summed over images is summed
//! in [`LANES`] lanes whatever the width: the results of AVX2 and AVX-512 are equal bit for bit.
#![allow(clippy::needless_range_loop, reason = "one number indexes the lanes of several vectors")]
#![allow(unsafe_code, reason = "the intrinsics of an instruction set, behind tokens that prove its presence")]

/// Images in step: every feature map holds a multiple of this many, the last ones blank.
pub(super) const LANES: usize = 16;

/// Instructions of one processor. A value of this type proves that the processor has them.
pub(super) trait Simd: Copy {
    /// Values in a vector; divides [`LANES`].
    const WIDTH: usize;
    /// Rows of a tile that, two vectors wide, still fits the registers.
    const ROWS: usize;
    /// Columns of a tile of single vectors of four rows.
    const COLUMNS: usize;
    /// [`Simd::WIDTH`] values.
    type Vector: Copy;

    /// The same value in all lanes.
    fn splat(self, value: f32) -> Self::Vector;
    /// The first values of a slice, which has at least [`Simd::WIDTH`].
    fn load(self, values: &[f32]) -> Self::Vector;
    /// Writes the first values of a slice, which has at least [`Simd::WIDTH`].
    fn store(self, vector: Self::Vector, values: &mut [f32]);
    /// `a * b + c`, rounded once where the instruction set can.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// `a + b`.
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The larger one; `b` where either is not a number.
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `then` where `a <= b`, else `otherwise`, also where either is not a number.
    fn select(
        self,
        a: Self::Vector,
        b: Self::Vector,
        then: Self::Vector,
        otherwise: Self::Vector,
    ) -> Self::Vector;
}

/// A computation that can be compiled for any instruction set. Its methods, and what they call,
/// have to be `#[inline(always)]`, or they are compiled without the instructions.
pub(super) trait Kernel {
    /// Computes, with these instructions.
    fn run<S: Simd>(self, simd: S);
}

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// What every processor of the target has.
    Portable,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// What this processor has, widest last.
    pub(super) fn available() -> &'static [Self] {
        #[cfg(target_arch = "x86_64")]
        {
            const ALL: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let count = 1 + usize::from(avx2) + usize::from(avx2 && is_x86_feature_detected!("avx512f"));
            &ALL[..count]
        }
        #[cfg(not(target_arch = "x86_64"))]
        &[Self::Portable]
    }
}

/// Runs a kernel with the widest vectors of this processor.
pub(super) fn run<K: Kernel>(kernel: K) {
    run_at(Level::available().last().copied().unwrap_or(Level::Portable), kernel);
}

/// Runs a kernel with one of the [available](Level::available) instruction sets.
pub(super) fn run_at<K: Kernel>(level: Level, kernel: K) {
    assert!(Level::available().contains(&level), "{level:?}: not on this processor");
    match level {
        Level::Portable => kernel.run(Portable),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => {
            // SAFETY: the assertion above: the processor has AVX2 and FMA.
            unsafe { x86::avx2(kernel) }
        }
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => {
            // SAFETY: the assertion above: the processor has AVX-512F, AVX2 and FMA.
            unsafe { x86::avx512(kernel) }
        }
    }
}

/// No particular instructions.
#[derive(Clone, Copy)]
struct Portable;

impl Simd for Portable {
    const WIDTH: usize = 8;
    const ROWS: usize = 4;
    const COLUMNS: usize = 2;
    type Vector = [f32; 8];

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; 8] {
        [value; 8]
    }

    #[inline(always)]
    fn load(self, values: &[f32]) -> [f32; 8] {
        let mut vector = [0.0; 8];
        vector.copy_from_slice(&values[..8]);
        vector
    }

    #[inline(always)]
    fn store(self, vector: [f32; 8], values: &mut [f32]) {
        values[..8].copy_from_slice(&vector);
    }

    #[inline(always)]
    fn mul_add(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        // In software a fused product would take a hundred times as long.
        let fused = cfg!(any(target_arch = "aarch64", target_feature = "fma"));
        let mut result = c;
        for lane in 0..8 {
            let (a, b) = (a[lane], b[lane]);
            result[lane] = if fused { a.mul_add(b, c[lane]) } else { a * b + c[lane] };
        }
        result
    }

    #[inline(always)]
    fn add(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        let mut result = a;
        result.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        result
    }

    #[inline(always)]
    fn max(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        let mut result = a;
        result.iter_mut().zip(b).for_each(|(a, b)| *a = if *a > b { *a } else { b });
        result
    }

    #[inline(always)]
    fn select(self, a: [f32; 8], b: [f32; 8], then: [f32; 8], otherwise: [f32; 8]) -> [f32; 8] {
        let mut result = otherwise;
        for lane in 0..8 {
            result[lane] = if a[lane] <= b[lane] { then[lane] } else { otherwise[lane] };
        }
        result
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use core::arch::x86_64::*;

    use super::{Kernel, Simd};

    /// Runs a kernel with AVX2 and FMA, which the processor has to have.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2<K: Kernel>(kernel: K) {
        kernel.run(Avx2(()));
    }

    /// Runs a kernel with AVX-512F, AVX2 and FMA, which the processor has to have.
    #[target_feature(enable = "avx512f,avx2,fma")]
    pub(super) fn avx512<K: Kernel>(kernel: K) {
        kernel.run(Avx512(()));
    }

    /// Made by [`avx2`] only.
    #[derive(Clone, Copy)]
    struct Avx2(());

    /// Made by [`avx512`] only.
    #[derive(Clone, Copy)]
    struct Avx512(());

    /// `b` where the mask says so, else `a`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn blend256(a: __m256, b: __m256, mask: __m256) -> __m256 {
        _mm256_blendv_ps(a, b, mask)
    }

    /// `b` where the mask says so, else `a`.
    #[inline]
    #[target_feature(enable = "avx512f,avx2,fma")]
    fn blend512(a: __m512, b: __m512, mask: __mmask16) -> __m512 {
        _mm512_mask_blend_ps(mask, a, b)
    }

    macro_rules! implement {
        ($token:ty, $vector:ty, $width:literal, $rows:literal, $columns:literal, $splat:ident, $load:ident, $store:ident,
         $mul_add:ident, $add:ident, $max:ident, $compare:ident, $blend:ident) => {
            impl Simd for $token {
                const WIDTH: usize = $width;
                const ROWS: usize = $rows;
                const COLUMNS: usize = $columns;
                type Vector = $vector;

                #[inline(always)]
                fn splat(self, value: f32) -> $vector {
                    // SAFETY: the token proves that the processor has the instruction.
                    unsafe { $splat(value) }
                }

                #[inline(always)]
                fn load(self, values: &[f32]) -> $vector {
                    let values = &values[..$width];
                    // SAFETY: the token, as above; the slice has the values of a vector.
                    unsafe { $load(values.as_ptr()) }
                }

                #[inline(always)]
                fn store(self, vector: $vector, values: &mut [f32]) {
                    let values = &mut values[..$width];
                    // SAFETY: the token, as above; the slice has the values of a vector.
                    unsafe { $store(values.as_mut_ptr(), vector) }
                }

                #[inline(always)]
                fn mul_add(self, a: $vector, b: $vector, c: $vector) -> $vector {
                    // SAFETY: the token, as above.
                    unsafe { $mul_add(a, b, c) }
                }

                #[inline(always)]
                fn add(self, a: $vector, b: $vector) -> $vector {
                    // SAFETY: the token, as above.
                    unsafe { $add(a, b) }
                }

                #[inline(always)]
                fn max(self, a: $vector, b: $vector) -> $vector {
                    // SAFETY: the token, as above.
                    unsafe { $max(a, b) }
                }

                #[inline(always)]
                fn select(self, a: $vector, b: $vector, then: $vector, otherwise: $vector) -> $vector {
                    // SAFETY: the token, as above.
                    unsafe { $blend(otherwise, then, $compare::<_CMP_LE_OQ>(a, b)) }
                }
            }
        };
    }

    implement!(
        Avx2,
        __m256,
        8,
        4,
        2,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_max_ps,
        _mm256_cmp_ps,
        blend256
    );
    implement!(
        Avx512,
        __m512,
        16,
        8,
        4,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_max_ps,
        _mm512_cmp_ps_mask,
        blend512
    );
}
