//! A second writer of model files, byte by byte as `docs/FORMAT.md` has it, which writes nonsense
//! when it is asked to. It shares nothing with the runtime's encoder.

/// A model file in the making. Every field may be wrong; the length and the checksum are right
/// unless a test changes them afterwards.
#[derive(Clone, Debug)]
pub struct File {
    /// Number of layers in the prefix.
    pub layers: u8,
    /// Bytes of scratch in the prefix.
    pub scratch: u32,
    /// Features in the prefix.
    pub features: u32,
    /// Name of the model.
    pub name: Vec<u8>,
    /// Height, width, channels of the input.
    pub input: [u16; 3],
    /// The layers.
    pub records: Vec<Record>,
}

/// One layer of a [`File`].
#[derive(Clone, Debug)]
pub struct Record {
    /// The bytes before the parameters, or all there are in a pool.
    pub fields: Vec<u8>,
    /// The parameters, in a convolution or a dense layer.
    pub parameters: Option<Block>,
}

/// Parameters of a [`Record`].
#[derive(Clone, Debug)]
pub struct Block {
    /// Bits a weight.
    pub weight_bits: u8,
    /// 0 unsigned, 1 signed, 2 unsigned table, 3 signed table, 4 logits.
    pub output: u8,
    /// Biases.
    pub bias: Vec<i32>,
    /// Packed weights, with their zeros up to a multiple of four.
    pub weights: Vec<u8>,
    /// Shifts and table.
    pub tail: Vec<u8>,
    /// Bytes before the block; `None` for the zeros that align it.
    pub alignment: Option<Vec<u8>>,
}

impl Block {
    /// Bias 1, weight 1 for every one of `outputs * inputs` (8 bits), shift 0.
    pub fn ones(outputs: usize, inputs: usize, output: u8) -> Self {
        let mut weights = vec![1; outputs * inputs];
        weights.resize(weights.len().next_multiple_of(4), 0);
        let mut tail = if output == 4 { Vec::new() } else { vec![0; outputs] };
        if output == 2 || output == 3 {
            tail.extend(0..=255);
        }
        Self { weight_bits: 8, output, bias: vec![1; outputs], weights, tail, alignment: None }
    }
}

impl Record {
    /// A convolution. `pool` is kernel and stride.
    pub fn convolution(
        outputs: u16,
        kernel: [u8; 2],
        stride: [u8; 2],
        padding: [u8; 4],
        groups: u16,
        pool: Option<[u8; 4]>,
        block: Block,
    ) -> Self {
        let mut fields = vec![0];
        fields.extend(varint(outputs.into()));
        fields.extend([kernel, stride].concat());
        fields.extend(padding);
        fields.extend(varint(groups.into()));
        match pool {
            None => fields.push(0),
            Some(pool) => {
                fields.push(1);
                fields.extend(pool);
            }
        }
        Self { fields, parameters: Some(block) }
    }

    /// A max-pool.
    pub fn max_pool(kernel: [u8; 2], stride: [u8; 2], padding: [u8; 4]) -> Self {
        let fields = [&[1][..], &kernel, &stride, &padding].concat();
        Self { fields, parameters: None }
    }

    /// An average-pool.
    pub fn average_pool(kernel: [u8; 2], stride: [u8; 2]) -> Self {
        Self { fields: [&[2][..], &kernel, &stride].concat(), parameters: None }
    }

    /// A dense layer.
    pub fn dense(outputs: u16, rows_per_step: u16, block: Block) -> Self {
        let fields = [vec![3], varint(outputs.into()), varint(rows_per_step.into())].concat();
        Self { fields, parameters: Some(block) }
    }
}

impl File {
    /// A well-formed file but for scratch and features, of these layers.
    pub fn new(input: [u16; 3], records: Vec<Record>) -> Self {
        let layers = records.len() as u8;
        Self { layers, scratch: 0, features: 0, name: b"by-hand".to_vec(), input, records }
    }

    /// The bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"10FD".to_vec();
        bytes.extend([1, self.layers, 0, 0]);
        bytes.extend([0; 4]); // length: `seal` knows it
        bytes.extend(self.scratch.to_le_bytes());
        bytes.extend(self.features.to_le_bytes());
        bytes.extend([0; 4]); // checksum
        bytes.extend(varint(self.name.len() as u32));
        bytes.extend(&self.name);
        bytes.extend(self.input.iter().flat_map(|&side| varint(side.into())));
        bytes.push(0); // exponent of the logits
        for record in &self.records {
            bytes.extend(&record.fields);
            if let Some(block) = &record.parameters {
                write_block(block, &mut bytes);
            }
        }
        seal(&mut bytes);
        bytes
    }
}

fn write_block(block: &Block, bytes: &mut Vec<u8>) {
    bytes.extend([block.weight_bits, 0, block.output]);
    let mut content: Vec<u8> = block.bias.iter().flat_map(|bias| bias.to_le_bytes()).collect();
    content.extend(&block.weights);
    content.extend(&block.tail);
    let length = varint(content.len() as u32);
    let start = bytes.len() + 1 + length.len(); // the alignment's own length takes one byte
    let zeros = vec![0; start.next_multiple_of(4) - start];
    let alignment = block.alignment.as_ref().unwrap_or(&zeros);
    bytes.extend(varint(alignment.len() as u32));
    bytes.extend(alignment);
    bytes.extend(length);
    bytes.extend(content);
}

/// Writes the length of `file` and its checksum into its prefix.
pub fn seal(file: &mut [u8]) {
    let length = (file.len() as u32).to_le_bytes();
    file[8..12].copy_from_slice(&length);
    let covered = [&file[..20], &file[24..]].concat();
    file[20..24].copy_from_slice(&crc32(&covered).to_le_bytes());
}

/// CRC-32 as in zip and Ethernet (ISO-HDLC).
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut remainder = u32::MAX;
    for &byte in bytes {
        remainder ^= u32::from(byte);
        for _ in 0..8 {
            let carry = remainder & 1 == 1;
            remainder = (remainder >> 1) ^ if carry { 0xedb8_8320 } else { 0 };
        }
    }
    !remainder
}

/// postcard's integer: seven bits a byte, least significant first.
pub fn varint(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 128 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_check_value() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn writes_varints() {
        assert_eq!(varint(127), [127]);
        assert_eq!(varint(300), [0xac, 2]);
        assert_eq!(varint(u32::MAX), [255, 255, 255, 255, 15]);
    }
}
