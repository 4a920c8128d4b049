//! Who posts when: languages, their clocks, and how many of their people are awake.
//!
//! Figures are rounded guesses, not measurements: they give each hour its languages and each language its day.

/// People who write one language in one time zone.
pub(crate) struct Crowd {
    /// The language's code (BCP 47).
    pub(crate) language: &'static str,
    /// Their clock in October 2022, minutes ahead of UTC.
    utc_offset_min: i32,
    /// Their share of everyday posts, against the other rows.
    everyday: u64,
    /// Their share of the posts about the outage: those who use the service and were awake at 06:37Z.
    outage: u64,
}

/// The rhythm that a stream of posts follows.
#[derive(Clone, Copy)]
pub(crate) enum Rhythm {
    /// Posts whenever people are awake.
    Waking,
    /// Mostly between six and nine.
    Mornings,
    /// Mostly after sunset.
    Evenings,
    /// As the curve of the stream says, whatever the hour.
    Outage,
}

const fn crowd(language: &'static str, utc_offset_min: i32, everyday: u64, outage: u64) -> Crowd {
    Crowd {
        language,
        utc_offset_min,
        everyday,
        outage,
    }
}

/// Everybody.
pub(crate) const CROWDS: [Crowd; 16] = [
    crowd("en", 330, 14, 20),
    crowd("en", 60, 10, 6),
    crowd("hi", 330, 14, 18),
    crowd("bn", 360, 12, 12),
    crowd("id", 420, 9, 9),
    crowd("ar", 180, 8, 5),
    crowd("ja", 540, 8, 1),
    crowd("pt", -180, 8, 1),
    crowd("tr", 180, 7, 9),
    crowd("it", 120, 7, 7),
    crowd("es", 120, 7, 3),
    crowd("ru", 180, 6, 3),
    crowd("de", 120, 5, 4),
    crowd("fr", 120, 5, 3),
    crowd("ta", 330, 5, 5),
    crowd("ur", 300, 5, 4),
];

/// Activity at each full hour of the local day; 1000 is about the mean of the day.
const WAKING: [u64; 24] = [
    400, 240, 160, 120, 130, 240, 560, 950, 1250, 1300, 1260, 1250, 1330, 1280, 1200, 1160, 1200,
    1290, 1420, 1560, 1640, 1500, 1150, 760,
];
const MORNINGS: [u64; 24] = [
    100, 60, 50, 80, 300, 1200, 3200, 4600, 4000, 2600, 1500, 900, 600, 450, 350, 300, 260, 240,
    220, 200, 180, 160, 140, 120,
];
const EVENINGS: [u64; 24] = [
    300, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 50, 100, 500, 1500, 3500, 5500, 6000, 4500,
    1800,
];

impl Crowd {
    /// How many of these people take part, `minute_utc` minutes after some midnight UTC; in thousandths of a share.
    pub(crate) fn weight(&self, rhythm: Rhythm, minute_utc: u32) -> u64 {
        let table = match rhythm {
            Rhythm::Outage => return 1000 * self.outage,
            Rhythm::Waking => &WAKING,
            Rhythm::Mornings => &MORNINGS,
            Rhythm::Evenings => &EVENINGS,
        };
        let local = minute_utc
            .checked_add_signed(1440 + self.utc_offset_min)
            .expect("offsets are below a day");
        self.everyday * of_the_day(table, local % 1440)
    }

    /// How many these people are, in shares.
    pub(crate) fn people(&self) -> u64 {
        self.everyday.max(self.outage)
    }

    /// The share of these people that a full day would have.
    pub(crate) fn share(&self, rhythm: Rhythm) -> u64 {
        match rhythm {
            Rhythm::Outage => self.outage,
            _ => self.everyday,
        }
    }
}

/// The table's value at a minute of the day, linear between full hours.
fn of_the_day(table: &[u64; 24], minute: u32) -> u64 {
    let (hour, past) = ((minute / 60) as usize, u64::from(minute % 60));
    (table[hour] * (60 - past) + table[(hour + 1) % 24] * past) / 60
}
