//! The last 64 buckets of one hashtag: what was observed, what was expected, and which of them were heard.
//!
//! Sums over the newest buckets are what [`super::scan`] judges; buckets that were not heard count neither way.

use super::bytes::{DecodeError, Reader, Writer};
use super::decay::narrow;

/// Buckets kept: an hour of minutes, rounded up to the bits of a word.
pub const LEN: u32 = 64;

/// The last [`LEN`] buckets.
#[derive(Debug, Clone, PartialEq)]
pub struct Ring {
    /// The newest bucket that was pushed.
    newest: u32,
    /// Bit `i` tells whether the bucket `newest - i` was heard.
    heard: u64,
    observed: [u32; LEN as usize],
    expected: [f32; LEN as usize],
}

/// What a run of buckets adds up to.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sum {
    /// Uses (fresh authors).
    pub observed: u64,
    /// What the baseline foresaw for the heard buckets.
    pub expected: f64,
    /// Buckets that were heard.
    pub heard: u32,
}

impl Ring {
    /// Nothing heard yet.
    pub fn new() -> Self {
        Self {
            newest: 0,
            heard: 0,
            observed: [0; LEN as usize],
            expected: [0.0; LEN as usize],
        }
    }

    /// The newest bucket that was pushed; 0 while there is none.
    pub fn newest_bucket(&self) -> u32 {
        self.newest
    }

    /// Adds a heard bucket, which must be newer than the newest.
    pub fn push(&mut self, bucket: u32, observed: u32, expected: f64) {
        let steps = bucket - self.newest;
        self.heard = self.heard.checked_shl(steps).unwrap_or(0) | 1;
        self.newest = bucket;
        self.observed[slot(bucket)] = observed;
        self.expected[slot(bucket)] = narrow(expected);
    }

    /// The heard buckets among the newest `len`, newest first, none before `from`: bucket, observed, expected.
    pub fn newest(&self, len: u32, from: u32) -> impl Iterator<Item = (u32, u32, f64)> + '_ {
        (0..len.min(LEN))
            .map_while(move |back| {
                self.newest
                    .checked_sub(back)
                    .filter(|&bucket| bucket >= from)
            })
            .filter(|&bucket| self.heard >> (self.newest - bucket) & 1 == 1)
            .map(|bucket| {
                (
                    bucket,
                    self.observed[slot(bucket)],
                    f64::from(self.expected[slot(bucket)]),
                )
            })
    }

    /// The sums over the newest `lens` buckets (ascending), none before `from`, in one walk.
    pub fn sums<const N: usize>(&self, lens: [u32; N], from: u32) -> [Sum; N] {
        let reach = self.newest.saturating_sub(from).saturating_add(1).min(LEN);
        let mut sum = Sum::default();
        let mut back = 0;
        lens.map(|len| {
            while back < len.min(reach) {
                if self.heard >> back & 1 == 1 {
                    let slot = slot(self.newest.wrapping_sub(back));
                    sum.observed += u64::from(self.observed[slot]);
                    sum.expected += f64::from(self.expected[slot]);
                    sum.heard += 1;
                }
                back += 1;
            }
            sum
        })
    }

    /// Writes the heard buckets.
    pub(super) fn encode(&self, out: &mut Writer) {
        out.u32(self.newest);
        out.u64(self.heard);
        for bucket in (0..LEN)
            .filter(|back| self.heard >> back & 1 == 1)
            .map(|back| self.newest.wrapping_sub(back))
        {
            out.varint(self.observed[slot(bucket)]);
            out.f32(self.expected[slot(bucket)]);
        }
    }

    /// Reads what [`Ring::encode`] wrote; buckets not heard become zeros, which nothing reads.
    pub(super) fn decode(bytes: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut ring = Self::new();
        ring.newest = bytes.u32()?;
        ring.heard = bytes.u64()?;
        for bucket in (0..LEN)
            .filter(|back| ring.heard >> back & 1 == 1)
            .map(|back| ring.newest.wrapping_sub(back))
        {
            ring.observed[slot(bucket)] = bytes.varint()?;
            ring.expected[slot(bucket)] = bytes.f32()?;
        }
        Ok(ring)
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self::new()
    }
}

fn slot(bucket: u32) -> usize {
    (bucket % LEN) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_leaves_neither_uses_nor_expectation() {
        let mut ring = Ring::new();
        ring.push(100, 5, 1.0);
        ring.push(101, 6, 1.0);
        ring.push(110, 7, 2.0);
        let [one, ten, all] = ring.sums([1, 10, 60], 0);
        assert_eq!((one.observed, one.heard), (7, 1));
        assert_eq!((ten.observed, ten.heard), (13, 2));
        assert_eq!((all.observed, all.heard), (18, 3));
        assert_eq!(
            ring.newest(10, 0)
                .map(|(bucket, ..)| bucket)
                .collect::<Vec<_>>(),
            [110, 101]
        );
    }

    #[test]
    fn sums_do_not_reach_before_the_given_bucket() {
        let mut ring = Ring::new();
        (0..200).for_each(|bucket| ring.push(bucket + 1, 1, 1.0));
        assert_eq!(ring.sums([60], 191)[0].observed, 10);
    }

    #[test]
    fn the_largest_counts_add_up_without_overflow() {
        let mut ring = Ring::new();
        (1..=64).for_each(|bucket| ring.push(bucket, u32::MAX, 1.0));
        assert_eq!(ring.sums([64], 0)[0].observed, 64 * u64::from(u32::MAX));
    }
}
