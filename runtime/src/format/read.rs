//! Reads the postcard encoding of the body, from the front: what is taken is gone, and who reads a
//! field past the end gets `None`.
//!
//! By hand and not derived: the derived code takes several kilobytes of a board's flash.

/// What is left of the body.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    /// Numbers of one byte each.
    #[inline(never)]
    pub(super) fn bytes<const COUNT: usize>(&mut self) -> Option<[u8; COUNT]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    pub(super) fn short(&mut self) -> Option<u16> {
        Some(self.varint(u16::BITS)? as u16)
    }

    /// The number of an enumeration's variant.
    pub(super) fn variant(&mut self) -> Option<u32> {
        self.varint(u32::BITS)
    }

    /// A length and as many bytes.
    #[inline(never)]
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.varint(u32::BITS)?;
        let (bytes, rest) = self.0.split_at_checked(length as usize)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Seven bits a byte, the lowest first, the highest bit set in all but the last; of at most as
    /// many bytes as a number of `bits` bits may need.
    #[inline(never)]
    fn varint(&mut self, bits: u32) -> Option<u32> {
        let (mut value, mut shift) = (0, 0);
        while shift < bits {
            let byte = u32::from(self.byte()?);
            let part = byte & 0x7f;
            if part >> (bits - shift).min(7) != 0 {
                return None;
            }
            value |= part << shift;
            if byte == part {
                return Some(value);
            }
            shift += 7;
        }
        None
    }
}

/// Whether `bytes` are UTF-8, as `core::str::from_utf8` says in several times the code.
pub(super) fn is_utf8(bytes: &[u8]) -> bool {
    let mut rest = bytes.iter();
    while let Some(&first) = rest.next() {
        let first = u32::from(first);
        // How many bytes follow, and the smallest character that needs as many.
        let (more, smallest) = match first {
            0..0x80 => continue,
            0xc0..0xe0 => (1, 0x80),
            0xe0..0xf0 => (2, 0x800),
            0xf0..0xf8 => (3, 0x1_0000),
            _ => return false,
        };
        let mut character = first & (0x3f >> more);
        for _ in 0..more {
            match rest.next() {
                Some(&byte) if byte & 0xc0 == 0x80 => character = character << 6 | u32::from(byte & 0x3f),
                _ => return false,
            }
        }
        if character < smallest || character > 0x10_ffff || (0xd800..0xe000).contains(&character) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn varints_are_postcard_s() {
        let mut buffer = [0; 8];
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, 65_535, 65_536, 1 << 28, u32::MAX] {
            let bytes = postcard::to_slice(&value, &mut buffer).unwrap();
            let length = bytes.len();
            let mut reader = Reader(bytes);
            assert_eq!((reader.variant(), reader.0.len()), (Some(value), 0));
            assert_eq!(Reader(bytes).short(), u16::try_from(value).ok());
            assert_eq!(Reader(&bytes[..length - 1]).variant(), None, "{value} is cut off");
        }
        for bytes in
            [&[0x80, 0x80, 0][..], &[0x80, 0x80, 4], &[0x80, 0x80, 0x80, 0], &[0xff, 0xff, 3], &[0x80]]
        {
            let expected = postcard::take_from_bytes::<u16>(bytes).ok().map(|(value, _)| value);
            assert_eq!(Reader(bytes).short(), expected, "{bytes:x?}");
        }
        for last in [0x0f, 0x10, 0x80, 0xff] {
            let bytes = [0xff, 0xff, 0xff, 0xff, last, 0];
            let expected = postcard::take_from_bytes::<u32>(&bytes).ok().map(|(value, _)| value);
            assert_eq!(Reader(&bytes).variant(), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn utf8_is_core_s() {
        // Every first byte and what may decide about the others.
        let decisive = [0, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xe0, 0xff];
        let mut bytes = Vec::new();
        for first in 0..=255_u8 {
            for second in decisive {
                for third in decisive {
                    for fourth in decisive {
                        for length in 0..=4 {
                            bytes.clear();
                            bytes.extend_from_slice(&[first, second, third, fourth][..length]);
                            assert_eq!(is_utf8(&bytes), str::from_utf8(&bytes).is_ok(), "{bytes:x?}");
                        }
                    }
                }
            }
        }
    }
}
