//! Takes the body apart from the front: what is taken is gone.
//!
//! Postcard reads every number and every run of bytes at run time. While a program is compiled nothing but
//! `const fn` can run, which postcard's functions are none of: for that time there is a second reader, of the
//! same numbers. The fields and their order are written once, for both; and tests hold the two against
//! each other, on every file that they change.
//!
//! Records are put together by hand, because what serde derives for them takes several kilobytes of a
//! board's flash and cannot leave out the kinds of record that a board has no use for.

use serde::Deserialize;

use super::features::{self as f, any};
use super::record::{Header, OutputRecord, ParametersRecord, Record};
use crate::constant::attempt;
use crate::model::{Padding, Window};
use crate::order::Order;

/// What is left of the body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next value; `None` where the bytes are none or end before.
    fn take<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let (value, rest) = postcard::take_from_bytes(self.0).ok()?;
        self.0 = rest;
        Some(value)
    }

    #[inline(never)]
    fn byte(&mut self) -> Option<u8> {
        self.take()
    }

    /// Four numbers of one byte each.
    #[inline(never)]
    fn four(&mut self) -> Option<[u8; 4]> {
        self.take()
    }

    #[inline(never)]
    fn short(&mut self) -> Option<u16> {
        self.take()
    }

    /// The number of an enumeration's variant.
    #[inline(never)]
    fn variant(&mut self) -> Option<u32> {
        self.take()
    }

    /// A length and as many bytes.
    #[inline(never)]
    fn bytes(&mut self) -> Option<&'a [u8]> {
        self.take()
    }
}

/// As [`Reader`], for what is checked while a program is compiled.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConstReader<'a>(pub(super) &'a [u8]);

impl<'a> ConstReader<'a> {
    const fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = attempt!(self.0.split_first());
        self.0 = rest;
        Some(*byte)
    }

    const fn four(&mut self) -> Option<[u8; 4]> {
        let (four, rest) = attempt!(self.0.split_first_chunk());
        self.0 = rest;
        Some(*four)
    }

    const fn short(&mut self) -> Option<u16> {
        Some(attempt!(self.varint(u16::BITS)) as u16)
    }

    const fn variant(&mut self) -> Option<u32> {
        Some(attempt!(self.varint(u32::BITS)) as u32)
    }

    const fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = attempt!(self.varint(usize::BITS)) as usize;
        let (bytes, rest) = attempt!(self.0.split_at_checked(length));
        self.0 = rest;
        Some(bytes)
    }

    /// Postcard's varint of a number of bits: seven of them a byte, low ones first, and no more bytes than these
    /// take.
    const fn varint(&mut self, bits: u32) -> Option<u64> {
        let (mut value, mut shift) = (0, 0);
        while shift < bits {
            let byte = attempt!(self.byte());
            value |= ((byte & 0x7f) as u64) << shift;
            if byte & 0x80 == 0 {
                let is_last = shift + 7 >= bits;
                return if is_last && byte >> (bits - shift) != 0 { None } else { Some(value) };
            }
            shift += 7;
        }
        None
    }
}

/// The fields of the body, for a reader.
macro_rules! fields {
    ($Reader:ident $($constant:tt)?) => {
        impl<'a> $Reader<'a> {
            pub(super) $($constant)? fn header(&mut self) -> Option<Header<'a>> {
                let name = attempt!(self.bytes());
                let input = [attempt!(self.short()), attempt!(self.short()), attempt!(self.short())];
                Some(Header { name, input, logit_exponent: attempt!(self.byte()) as i8 })
            }

            /// The next record, where its kind is in `FEATURES`.
            pub(super) $($constant)? fn record<const FEATURES: u32>(&mut self) -> Option<Record<'a>> {
                match attempt!(self.variant()) {
                    0 if any(FEATURES, f::CONVOLUTION | f::GROUPED_CONVOLUTION) => Some(Record::Convolution {
                        outputs: attempt!(self.short()),
                        window: attempt!(self.window()),
                        padding: attempt!(self.padding()),
                        groups: attempt!(self.short()),
                        pool: match attempt!(self.byte()) {
                            0 => None,
                            1 => Some(attempt!(self.window())),
                            _ => return None,
                        },
                        parameters: attempt!(self.parameters()),
                    }),
                    1 if any(FEATURES, f::MAX_POOL) => Some(Record::MaxPool {
                        window: attempt!(self.window()),
                        padding: attempt!(self.padding()),
                    }),
                    2 if any(FEATURES, f::AVERAGE_POOL) => {
                        Some(Record::AveragePool { window: attempt!(self.window()) })
                    }
                    3 => Some(Record::Dense {
                        outputs: attempt!(self.short()),
                        rows_per_step: attempt!(self.short()),
                        parameters: attempt!(self.parameters()),
                    }),
                    _ => None,
                }
            }

            $($constant)? fn window(&mut self) -> Option<Window> {
                let [height, width, down, across] = attempt!(self.four());
                Some(Window { kernel: [height, width], stride: [down, across] })
            }

            $($constant)? fn padding(&mut self) -> Option<Padding> {
                let [top, left, bottom, right] = attempt!(self.four());
                Some(Padding { top, left, bottom, right })
            }

            $($constant)? fn parameters(&mut self) -> Option<ParametersRecord<'a>> {
                Some(ParametersRecord {
                    weight_bits: attempt!(self.byte()),
                    order: match attempt!(self.variant()) {
                        0 => Order::Plain,
                        1 => Order::Paired,
                        2 => Order::Planar,
                        3 => Order::Narrow,
                        4 => Order::Interleaved,
                        _ => return None,
                    },
                    output: match attempt!(self.variant()) {
                        0 => OutputRecord::Unsigned,
                        1 => OutputRecord::Signed,
                        2 => OutputRecord::UnsignedTable,
                        3 => OutputRecord::SignedTable,
                        4 => OutputRecord::Logits,
                        _ => return None,
                    },
                    alignment: attempt!(self.bytes()),
                    block: attempt!(self.bytes()),
                })
            }
        }
    };
}

fields!(Reader);
fields!(ConstReader const);
