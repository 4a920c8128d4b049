//! Which buckets were heard: everything from a start on, but for the gaps.
//!
//! A hashtag that nobody used in a covered bucket was used zero times; in a gap nobody knows. The detector is fed the
//! former and never the latter. Gaps may be told in any order and may overlap; they are kept sorted and merged.

use std::ops::Range;

/// The buckets from a start on, without the gaps. Bucket numbers count from the Unix epoch in units of the width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    start: u32,
    gaps: Vec<Range<u32>>,
}

impl Coverage {
    /// Everything from `start` on.
    pub fn since(start: u32) -> Self {
        Self {
            start,
            gaps: Vec::new(),
        }
    }

    /// The same, but nothing before `start`.
    #[must_use]
    pub fn from(mut self, start: u32) -> Self {
        self.start = self.start.max(start);
        self
    }

    /// The first covered bucket, unless a gap begins there.
    pub fn start(&self) -> u32 {
        self.start
    }

    /// The gaps, sorted, apart from each other, none empty.
    pub fn gaps(&self) -> &[Range<u32>] {
        &self.gaps
    }

    /// Takes the half-open `gap` out; an empty one changes nothing.
    pub fn add_gap(&mut self, gap: Range<u32>) {
        if gap.is_empty() {
            return;
        }
        let first = self.gaps.partition_point(|known| known.end < gap.start);
        let last = self.gaps.partition_point(|known| known.start <= gap.end);
        let touched = &self.gaps[first..last];
        let start = touched
            .first()
            .map_or(gap.start, |known| known.start.min(gap.start));
        let end = touched
            .last()
            .map_or(gap.end, |known| known.end.max(gap.end));
        self.gaps.splice(first..last, std::iter::once(start..end));
    }

    /// Whether `bucket` was heard.
    pub fn covers(&self, bucket: u32) -> bool {
        self.next_covered(bucket) == Some(bucket)
    }

    /// The first covered bucket from `bucket` on; none where the last gap reaches the end of time.
    pub fn next_covered(&self, bucket: u32) -> Option<u32> {
        let bucket = bucket.max(self.start);
        let gap = self
            .gaps
            .get(self.gaps.partition_point(|gap| gap.end <= bucket));
        match gap {
            Some(gap) if gap.contains(&bucket) => (gap.end < u32::MAX).then_some(gap.end),
            _ => Some(bucket),
        }
    }

    /// How many buckets of `range` were heard.
    pub fn covered_in(&self, range: Range<u32>) -> u32 {
        let start = range.start.max(self.start);
        let Some(all) = range.end.checked_sub(start) else {
            return 0;
        };
        let first = self.gaps.partition_point(|gap| gap.end <= start);
        let missing: u32 = self.gaps[first..]
            .iter()
            .take_while(|gap| gap.start < range.end)
            .map(|gap| gap.end.min(range.end) - gap.start.max(start))
            .sum();
        all - missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_before_the_start_is_covered() {
        let coverage = Coverage::since(10);
        assert!(!coverage.covers(9));
        assert!(coverage.covers(10));
        assert_eq!(coverage.covered_in(0..12), 2);
        assert_eq!(coverage.covered_in(0..5), 0);
    }

    #[test]
    fn touching_gaps_become_one() {
        let mut coverage = Coverage::since(0);
        coverage.add_gap(20..30);
        coverage.add_gap(5..10);
        coverage.add_gap(10..20);
        coverage.add_gap(7..7);
        assert_eq!(coverage.gaps(), [Range { start: 5, end: 30 }]);
        assert_eq!(coverage.next_covered(6), Some(30));
    }

    proptest! {
        #[test]
        fn gaps_in_any_order_cover_what_a_plain_list_says(
            start in 0_u32..40, gaps in prop::collection::vec((0_u32..100, 0_u32..20), 0..12), from in 0_u32..100, len in 0_u32..60,
        ) {
            let mut coverage = Coverage::since(start);
            for &(gap, len) in &gaps {
                coverage.add_gap(gap..gap + len);
            }
            let heard = |bucket: &u32| *bucket >= start && !gaps.iter().any(|&(gap, len)| (gap..gap + len).contains(bucket));
            prop_assert!((0..200).all(|bucket| coverage.covers(bucket) == heard(&bucket)));
            prop_assert_eq!(coverage.covered_in(from..from + len) as usize, (from..from + len).filter(heard).count());
            prop_assert_eq!(coverage.next_covered(from), (from..200).find(heard));
        }
    }
}
