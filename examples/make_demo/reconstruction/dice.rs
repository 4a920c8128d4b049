//! Seeded chance: the same seed gives the same throws on every machine, for ever.
//!
//! `SplitMix64` (Steele, Lea and Flood 2014): a few additions and shifts in place of a dependency whose next version
//! may throw otherwise. Good enough to place posts, of no use for secrets.

/// A stream of throws.
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice number `stream` of this `seed`; different streams do not disturb one another.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut dice = Self(seed ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03));
        dice.throw();
        dice
    }

    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..limit`. The bias of the multiplication is below 2^-32 for limits below 2^32.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        let product = u128::from(self.throw()) * u128::from(limit);
        u64::try_from(product >> 64).expect("the upper half of a 128-bit product has 64 bits")
    }

    /// True in `percent` of 100 throws.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `items`.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    /// One of `items`, each as likely as its weight says.
    pub(crate) fn pick_weighted<'a, T>(
        &mut self,
        items: &'a [T],
        weight: impl Fn(&T) -> u64,
    ) -> &'a T {
        let mut left = self.below(items.iter().map(&weight).sum());
        items
            .iter()
            .find(|item| match left.checked_sub(weight(item)) {
                Some(rest) => {
                    left = rest;
                    false
                }
                None => true,
            })
            .expect("a throw below the sum of the weights ends within one of them")
    }

    /// A place in a list of `len`.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        let limit = u64::try_from(len).expect("lengths fit into 64 bits");
        usize::try_from(self.below(limit)).expect("below a length")
    }
}
