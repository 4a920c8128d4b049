//! Content-addressed blocks in a row: CAR, version 1, as far as a commit needs it.
//!
//! Specification: <https://ipld.io/specs/transport/car/carv1/>. A header, then sections, each of a length, the address
//! of a block (its CID) and the block. Takes the bytes and gives the blocks by address, borrowed. The address is an
//! opaque name here: whether it is the hash of its block is not checked, since whoever sends a false block can as well
//! send a false address.

use std::collections::HashMap;

use serde::Deserialize;
use unsigned_varint::decode;

/// Blocks by the bytes of their address.
pub(super) type Blocks<'a> = HashMap<&'a [u8], &'a [u8]>;

/// It is no CAR, or one that ends in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// The only version that is sent.
const VERSION: u64 = 1;
/// A CID of version 0 is a bare SHA-256: this code, this length, and the hash.
const SHA_256: [u8; 2] = [0x12, 32];

#[derive(Deserialize)]
struct Header {
    version: u64,
}

/// Reads all blocks.
pub(super) fn read(bytes: &[u8]) -> Result<Blocks<'_>, Broken> {
    let (header, mut rest) = section(bytes)?;
    let header: Header = serde_ipld_dagcbor::from_slice(header).map_err(|_| Broken)?;
    if header.version != VERSION {
        return Err(Broken);
    }
    let mut blocks = Blocks::new();
    while !rest.is_empty() {
        let (block, after) = section(rest)?;
        let (address, block) = block.split_at(cid_bytes(block)?);
        blocks.insert(address, block);
        rest = after;
    }
    Ok(blocks)
}

/// The first section, without its length, and what comes after it.
fn section(bytes: &[u8]) -> Result<(&[u8], &[u8]), Broken> {
    let (length, rest) = decode::u64(bytes).map_err(|_| Broken)?;
    let length = usize::try_from(length).map_err(|_| Broken)?;
    rest.split_at_checked(length).ok_or(Broken)
}

/// How long the CID is that these bytes begin with (<https://github.com/multiformats/cid>).
fn cid_bytes(bytes: &[u8]) -> Result<usize, Broken> {
    let length = if bytes.starts_with(&SHA_256) {
        Some(SHA_256.len() + usize::from(SHA_256[1]))
    } else {
        let (version, rest) = decode::u64(bytes).map_err(|_| Broken)?;
        let (_codec, rest) = decode::u64(rest).map_err(|_| Broken)?;
        let (_hash_code, rest) = decode::u64(rest).map_err(|_| Broken)?;
        let (hash_bytes, rest) = decode::u64(rest).map_err(|_| Broken)?;
        let hash_bytes = usize::try_from(hash_bytes).map_err(|_| Broken)?;
        (version == 1)
            .then_some(bytes.len() - rest.len())
            .and_then(|before| before.checked_add(hash_bytes))
    };
    length.filter(|length| *length <= bytes.len()).ok_or(Broken)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `{"roots": [], "version": 1}`, with its length.
    const HEADER: &[u8] = b"\x11\xa2\x65roots\x80\x67version\x01";

    /// A section of any length.
    fn with_length(bytes: &[u8]) -> Vec<u8> {
        let mut buffer = unsigned_varint::encode::u64_buffer();
        let length = u64::try_from(bytes.len()).expect("small");
        [unsigned_varint::encode::u64(length, &mut buffer), bytes].concat()
    }

    /// The address that tests give to block number `number`: CID version 1, DAG-CBOR, SHA-256.
    pub(in crate::feed::atproto) fn address(number: u8) -> Vec<u8> {
        [&[1, 0x71, 0x12, 32], &[number; 32][..]].concat()
    }

    /// A CAR of these blocks, with the addresses of their numbers.
    pub(in crate::feed::atproto) fn car(blocks: &[(u8, &[u8])]) -> Vec<u8> {
        let sections = blocks
            .iter()
            .map(|(number, block)| with_length(&[&address(*number), *block].concat()));
        [HEADER.to_vec()]
            .into_iter()
            .chain(sections)
            .collect::<Vec<_>>()
            .concat()
    }

    #[test]
    fn blocks_are_found_by_their_address() {
        let long = vec![7; 300];
        let bytes = car(&[(1, b"one"), (2, &long), (3, b"")]);
        let blocks = read(&bytes).expect("a CAR");
        assert_eq!(blocks.len(), 3);
        assert_eq!(blocks[&address(1)[..]], b"one");
        assert_eq!(blocks[&address(2)[..]], long);
        assert_eq!(blocks[&address(3)[..]], b"");
        assert_eq!(blocks.get(&address(4)[..]), None);
    }

    #[test]
    fn an_address_of_version_zero_has_no_version_and_no_codec() {
        let old = [&SHA_256, &[9; 32][..]].concat();
        let bytes = [HEADER, &with_length(&[&old, &b"x"[..]].concat())].concat();
        assert_eq!(read(&bytes).expect("a CAR")[&old[..]], b"x");
    }

    #[test]
    fn what_is_cut_off_anywhere_but_between_blocks_is_broken() {
        let whole = car(&[(1, b"one"), (2, b"two")]);
        let ends = [HEADER.len(), car(&[(1, b"one")]).len(), whole.len()];
        for end in 0..=whole.len() {
            assert_eq!(read(&whole[..end]).is_ok(), ends.contains(&end), "{end}");
        }
    }

    #[test]
    fn lengths_and_versions_that_cannot_be_are_broken() {
        let version_2 = b"\x11\xa2\x65roots\x80\x67version\x02";
        let too_long = [HEADER, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"].concat();
        let endless_varint = [HEADER, &[0xff; 20]].concat();
        let wrong_cid = [HEADER, &with_length(&[2, 0x71, 0x12, 0])].concat();
        let long_hash = [
            HEADER,
            &with_length(b"\x01\x71\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ]
        .concat();
        for bytes in [
            &version_2[..],
            b"",
            b"\x00",
            b"\x01\xa0",
            &too_long,
            &endless_varint,
            &wrong_cid,
            &long_hash,
        ] {
            assert_eq!(read(bytes), Err(Broken), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_blocks_come_back(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
            let numbered: Vec<(u8, &[u8])> = (0_u8..).zip(blocks.iter().map(Vec::as_slice)).collect();
            let bytes = car(&numbered);
            let read = read(&bytes).expect("a CAR");
            prop_assert_eq!(read.len(), blocks.len());
            for (number, block) in numbered {
                prop_assert_eq!(read[&address(number)[..]], block);
            }
        }

        #[test]
        fn no_bytes_make_it_panic_or_read_beyond_them(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut behind_header = HEADER.to_vec();
            behind_header.extend_from_slice(&bytes);
            for bytes in [&bytes, &behind_header] {
                let blocks = read(bytes).unwrap_or_default();
                let held: usize = blocks.iter().map(|(address, block)| address.len() + block.len()).sum();
                prop_assert!(held <= bytes.len());
            }
        }
    }
}
