//! Takes the body apart from the front: what is taken is gone.
//!
//! The body is postcard, of which a reader needs little: bytes, numbers of seven bits a byte with the
//! lowest first, and runs of bytes behind their length. Read by hand, because the crate's reader and what
//! serde derives take several kilobytes of a board's flash and cannot leave out the kinds of record that
//! a board has no use for. The writer is the crate's, and `tests/tests/encode.rs` has it read what
//! is written.

/// What is left of the body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    #[inline(never)]
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    /// Four numbers of one byte each.
    #[inline(never)]
    pub(super) fn four(&mut self) -> Option<[u8; 4]> {
        let (&bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn short(&mut self) -> Option<u16> {
        self.number(16).map(|number| number as u16)
    }

    /// The number of an enumeration's variant.
    pub(super) fn variant(&mut self) -> Option<u32> {
        self.number(32)
    }

    /// A length and as many bytes.
    #[inline(never)]
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number(32)? as usize;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A number of at most `bits` bits, of which there are 16 or 32.
    #[inline(never)]
    fn number(&mut self, bits: u32) -> Option<u32> {
        let (mut number, mut shift) = (0, 0);
        while shift < bits {
            let byte = u32::from(self.byte()?);
            let part = byte & 0x7f;
            // Bits that the number has no room for.
            if part >> (bits - shift).min(7) != 0 {
                return None;
            }
            number |= part << shift;
            if byte == part {
                return Some(number);
            }
            shift += 7;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_postcards() {
        let mut bytes = [0_u8; 6];
        for last in 0..=255 {
            for before in [0, 1, 2, 3, 4] {
                for middle in [0x80, 0xff] {
                    bytes.fill(middle);
                    bytes[before] = last;
                    let mut reader = Reader(&bytes);
                    let found = reader.short().map(|number| (number, reader.0));
                    assert_eq!(found, postcard::take_from_bytes::<u16>(&bytes).ok(), "{bytes:?}");
                    let mut reader = Reader(&bytes);
                    let found = reader.variant().map(|number| (number, reader.0));
                    assert_eq!(found, postcard::take_from_bytes::<u32>(&bytes).ok(), "{bytes:?}");
                }
            }
        }
        assert_eq!(Reader(&[0x80]).short(), None);
        assert_eq!(Reader(&[3, 1, 2]).bytes(), None);
        assert_eq!(Reader(&[2, 1, 2]).bytes(), Some(&[1, 2][..]));
    }
}
