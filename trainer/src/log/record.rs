//! The framing of TensorBoard's event files, which is that of TensorFlow's record files.
//!
//! ```text
//! u64 length | u32 masked CRC of these 8 bytes | length bytes | u32 masked CRC of them        little-endian
//! ```
//!
//! The CRC is CRC-32C; it is masked because a CRC of bytes that hold their own CRC checks little. A reader
//! stops at the first frame that is not whole, so that a file whose writer was killed is as good as one that
//! is still being written.

use crc::{CRC_32_ISCSI, Crc, Table};

const CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Appends a record to `bytes`.
pub(super) fn write(bytes: &mut Vec<u8>, record: &[u8]) {
    let length = (record.len() as u64).to_le_bytes();
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&masked(&length).to_le_bytes());
    bytes.extend_from_slice(record);
    bytes.extend_from_slice(&masked(record).to_le_bytes());
}

/// The records of a file, up to the first that is cut off or damaged.
pub(super) fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    while let Some((record, rest)) = first(bytes) {
        records.push(record);
        bytes = rest;
    }
    records
}

fn first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    if masked(length) != u32::from_le_bytes(*sum) {
        return None;
    }
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (record, rest) = rest.split_at_checked(length)?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    (masked(record) == u32::from_le_bytes(*sum)).then_some((record, rest))
}

fn masked(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_a_cut_and_damage() {
        // RFC 3720, appendix B.4: the sum of 32 bytes of zeros.
        assert_eq!(CRC.checksum(&[0; 32]), 0x8a91_36aa);

        let mut bytes = Vec::new();
        for record in [&b"one"[..], b"", b"three"] {
            write(&mut bytes, record);
        }
        assert_eq!(bytes.len(), 3 * 16 + 8);
        assert_eq!(records(&bytes), [&b"one"[..], b"", b"three"]);
        for length in 0..bytes.len() {
            let whole = [19, 35].iter().filter(|end| length >= **end).count();
            assert_eq!(records(&bytes[..length]).len(), whole, "{length} bytes");
        }
        bytes[12] ^= 1;
        assert!(records(&bytes).is_empty());
        assert!(records(&[0xff; 64]).is_empty());
    }
}
