//! Byte buffers at a chosen alignment, and with guard bytes around them.

/// Alignment that the runtime asks of a model and of its scratch memory.
pub const ALIGNMENT: usize = 4;

/// Bytes on each side of a guarded buffer.
const GUARD: usize = 64;

/// Bytes that start at a multiple of [`ALIGNMENT`], plus a chosen offset, with guards around them.
#[derive(Clone, Debug)]
pub struct Buffer {
    storage: Vec<u8>,
    start: usize,
    length: usize,
}

impl Buffer {
    /// A copy of `bytes` at an aligned address.
    pub fn aligned(bytes: &[u8]) -> Self {
        Self::at_offset(bytes, 0)
    }

    /// A copy of `bytes` that starts `offset` bytes past an aligned address.
    pub fn at_offset(bytes: &[u8], offset: usize) -> Self {
        let mut storage = vec![0; bytes.len() + 2 * GUARD + ALIGNMENT + offset];
        let unaligned = storage.as_ptr() as usize + GUARD;
        let start = GUARD + unaligned.next_multiple_of(ALIGNMENT) - unaligned + offset;
        for (place, guard) in storage.iter_mut().enumerate() {
            *guard = guard_byte(place);
        }
        storage[start..start + bytes.len()].copy_from_slice(bytes);
        Self { storage, start, length: bytes.len() }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.length]
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.length]
    }

    /// Panics if anything outside the bytes was written.
    pub fn check_guards(&self) {
        for (place, &byte) in self.storage.iter().enumerate() {
            let inside = (self.start..self.start + self.length).contains(&place);
            let offset = place as i64 - self.start as i64;
            assert!(inside || byte == guard_byte(place), "byte {offset} of {} was written", self.length);
        }
    }
}

fn guard_byte(place: usize) -> u8 {
    (place as u8).wrapping_mul(167) ^ 0xa5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns() {
        for offset in 0..4 {
            let buffer = Buffer::at_offset(&[1, 2, 3], offset);
            assert_eq!(buffer.bytes(), [1, 2, 3]);
            assert_eq!(buffer.bytes().as_ptr() as usize % ALIGNMENT, offset);
            buffer.check_guards();
        }
    }

    #[test]
    #[should_panic(expected = "byte 3 of 3 was written")]
    fn notices_a_write_past_the_end() {
        let mut buffer = Buffer::aligned(&[1, 2, 3]);
        let end = buffer.start + 3;
        buffer.storage[end] ^= 1;
        buffer.check_guards();
    }
}
