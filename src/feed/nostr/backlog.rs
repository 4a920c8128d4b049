//! What a relay has still to be asked for.
//!
//! A relay sends what happens from the moment it is asked on, and what it has stored when it is asked for that: newest
//! first, cut at a length that it does not tell. So after each connection a stretch of the past is open, from the
//! newest note heard before ([`Mark`]) to now. It is filled page by page, each asked for up to where the last one
//! came, until a page is empty. A cut leaves the rest open, under the stretch of the next connection. The cursor
//! stands at the oldest mark until all is filled, so that nothing before it is missing, whenever we are stopped.
//!
//! A relay that has neither the note at the mark nor one before it has forgotten what came after it, as far as anybody
//! can know: that is a gap. It has no clock and no socket; times are seconds since the Unix epoch.

use std::ops::Range;

use super::wire::Filter;

/// How far before the mark is asked: authors' clocks differ, and notes of one second come in any order.
const REWIND_S: i64 = 60;
/// How old a note may be that comes in live; later than this it would be counted as late. A relay sends nothing from
/// before the time that it was asked for.
const LATE_S: i64 = 10 * 60;
/// How far ahead of us an author's clock may be; the store takes no post from beyond.
const AHEAD_S: i64 = 5 * 60;
/// Pages of one stretch: half a million notes at the usual length. What lies before them is a gap.
const PAGES_MAX: u32 = 1_000;
/// Stretches open at once. Beyond it the two oldest become one, and what was heard between them is asked for again.
const STRETCHES_MAX: usize = 32;

/// The newest note heard, or the moment since when we listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// What its author says, but never the future.
    pub(super) time: i64,
    /// None before the first note.
    pub(super) id: Option<String>,
}

/// A time that is not heard yet.
#[derive(Debug, Clone)]
struct Stretch {
    since: Mark,
    /// Pages have come down to here; none before the first has ended.
    reached: Option<i64>,
    /// The note at the mark, or one before it, was seen again.
    is_joined: bool,
    pages: u32,
}

/// The stored notes that came for one request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Page {
    oldest: Option<i64>,
    oldest_but_one: Option<i64>,
}

impl Page {
    /// One more of them.
    pub(super) fn add(&mut self, created_at: i64) {
        let is_older = |than: Option<i64>| than.is_none_or(|than| created_at < than);
        if is_older(self.oldest) {
            self.oldest_but_one = self.oldest;
            self.oldest = Some(created_at);
        } else if is_older(self.oldest_but_one) {
            self.oldest_but_one = Some(created_at);
        }
    }

    /// Up to where the next page is to be asked for, after one up to `until`; none if this one was empty.
    ///
    /// The oldest note need not be a stored one: relays mix what comes in meanwhile with it. So the last but one
    /// decides. The second after it is asked for, too: NIP-01 counts `until` in, some relays (nostr-relay 1.14) do not.
    /// Where that does not lead further back, ever less does. A page that is all of one second may have been cut within
    /// it; there is no asking for the rest of a second.
    fn next_until(&self, until: i64) -> Option<i64> {
        let oldest = self.oldest?;
        let candidates = [
            self.oldest_but_one.unwrap_or(oldest) + 1,
            oldest + 1,
            oldest,
        ];
        let goes_back = candidates.into_iter().find(|time| *time < until);
        Some(goes_back.unwrap_or(until - 1))
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Backlog {
    newest: Mark,
    /// Oldest first; the last is filled first.
    stretches: Vec<Stretch>,
    /// Nobody has listened before: there is no past to ask for.
    is_new: bool,
}

impl Backlog {
    /// One that begins at `now`.
    pub(super) fn beginning(now: i64) -> Self {
        Self {
            newest: Mark {
                time: now,
                id: None,
            },
            stretches: Vec::new(),
            is_new: true,
        }
    }

    /// One that goes on after `mark`.
    pub(super) fn after(mark: Mark) -> Self {
        Self {
            newest: mark,
            stretches: Vec::new(),
            is_new: false,
        }
    }

    /// Everything before it is heard.
    pub(super) fn mark(&self) -> &Mark {
        let oldest = self.stretches.first().map(|stretch| &stretch.since);
        oldest.unwrap_or(&self.newest)
    }

    /// Whether nothing is open.
    pub(super) fn is_filled(&self) -> bool {
        self.stretches.is_empty()
    }

    /// A connection was made: what to ask for of the notes to come.
    pub(super) fn live(&mut self, now: i64) -> Filter {
        let since = if self.is_new {
            self.skip_to(now);
            now
        } else {
            now - LATE_S
        };
        Filter { since, until: None }
    }

    /// From here on the connection brings what happens; what lies between the newest note and now is open.
    pub(super) fn go_live(&mut self) {
        if std::mem::take(&mut self.is_new) {
            return;
        }
        if let Some(last) = self.stretches.last_mut()
            && last.reached.is_none()
        {
            // The last connection asked for nothing yet: its stretch is this one's, too.
            last.is_joined = false;
            return;
        }
        if self.stretches.len() >= STRETCHES_MAX {
            let oldest = self.stretches.remove(0);
            self.stretches[0].since = oldest.since;
            self.stretches[0].is_joined = false;
        }
        self.stretches.push(Stretch {
            since: self.newest.clone(),
            reached: None,
            is_joined: false,
            pages: 0,
        });
    }

    /// A note came, live or from a page. One from the future, as its author says, is no mark.
    pub(super) fn hear(&mut self, id: &str, created_at: i64, now: i64) {
        if (self.newest.time..=now).contains(&created_at) {
            self.newest = Mark {
                time: created_at,
                id: Some(id.to_owned()),
            };
        }
    }

    /// A note came that was stored.
    pub(super) fn find(&mut self, id: &str, created_at: i64) {
        if let Some(stretch) = self.stretches.last_mut() {
            let mark = &stretch.since;
            stretch.is_joined |= created_at <= mark.time || mark.id.as_deref() == Some(id);
        }
    }

    /// The page to ask for next; none if nothing is open.
    pub(super) fn next_page(&self, now: i64) -> Option<Filter> {
        let stretch = self.stretches.last()?;
        Some(Filter {
            since: stretch.since.time - REWIND_S,
            until: Some(stretch.reached.unwrap_or(now + AHEAD_S)),
        })
    }

    /// The page has ended that was asked for up to `until`. Gives the gap that this has shown, if it did.
    pub(super) fn end_page(&mut self, page: Page, until: i64, now: i64) -> Option<Range<i64>> {
        let stretch = self.stretches.last_mut()?;
        stretch.pages += 1;
        let next = page
            .next_until(until)
            .filter(|&until| until >= stretch.since.time - REWIND_S);
        if let Some(until) = next.filter(|_| stretch.pages < PAGES_MAX) {
            stretch.reached = Some(until);
            return None;
        }
        let is_whole = next.is_none() && stretch.is_joined;
        let is_gap = !is_whole && (stretch.since.id.is_some() || next.is_some());
        let gap = stretch.since.time..page.oldest.or(stretch.reached).unwrap_or(now);
        self.stretches.pop();
        is_gap.then_some(gap)
    }

    /// The page that [`Backlog::next_page`] gave cannot be had. Gives the gap that this is.
    pub(super) fn give_up(&mut self, now: i64) -> Option<Range<i64>> {
        let stretch = self.stretches.pop()?;
        Some(stretch.since.time..stretch.reached.unwrap_or(now))
    }

    /// Whatever was heard before, the next connection goes on at `now`.
    pub(super) fn skip_to(&mut self, now: i64) {
        self.newest = Mark {
            time: now,
            id: None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK_S: i64 = 1_700_000_000;
    const NOW_S: i64 = MARK_S + 1_000_000;

    fn mark() -> Mark {
        Mark {
            time: MARK_S,
            id: Some("m".to_owned()),
        }
    }

    /// A relay with these notes, at most `cap` of them a page.
    struct Relay {
        notes: Vec<(i64, String)>,
        cap: usize,
        /// It does not count `until` in.
        is_exclusive: bool,
        asked: Vec<Filter>,
        given: Vec<String>,
    }

    impl Relay {
        fn new(times: impl IntoIterator<Item = i64>, cap: usize) -> Self {
            let mut notes: Vec<(i64, String)> = times
                .into_iter()
                .map(|time| (time, format!("{time}")))
                .collect();
            notes.sort_by_key(|(time, _)| -time);
            Self {
                notes,
                cap,
                is_exclusive: false,
                asked: Vec::new(),
                given: Vec::new(),
            }
        }

        /// Gives one page; the gap it showed.
        fn page(&mut self, backlog: &mut Backlog, seen: &mut Vec<i64>) -> Option<Range<i64>> {
            let filter = backlog.next_page(NOW_S).expect("something is open");
            self.asked.push(filter);
            let until = filter.until.expect("a page has an end");
            let last = until - i64::from(self.is_exclusive);
            let fits = |time: i64| (filter.since..=last).contains(&time);
            let mut page = Page::default();
            for (time, id) in self
                .notes
                .iter()
                .filter(|(time, _)| fits(*time))
                .take(self.cap)
            {
                page.add(*time);
                backlog.find(id, *time);
                backlog.hear(id, *time, i64::MAX);
                seen.push(*time);
                self.given.push(id.clone());
            }
            backlog.end_page(page, until, NOW_S)
        }

        /// Gives pages until nothing is open; the gaps they showed.
        fn fill(&mut self, backlog: &mut Backlog, seen: &mut Vec<i64>) -> Vec<Range<i64>> {
            let mut gaps = Vec::new();
            while !backlog.is_filled() {
                assert!(self.asked.len() < 5_000, "it never ends");
                gaps.extend(self.page(backlog, seen));
            }
            gaps
        }
    }

    fn sorted(mut seen: Vec<i64>) -> Vec<i64> {
        seen.sort_unstable();
        seen.dedup();
        seen
    }

    #[test]
    fn a_new_one_asks_for_no_past_and_begins_with_its_first_connection() {
        let mut backlog = Backlog::beginning(MARK_S);
        let live = Filter {
            since: MARK_S + 5,
            until: None,
        };
        assert_eq!(backlog.live(MARK_S + 5), live);
        backlog.go_live();
        assert_eq!(backlog.next_page(MARK_S + 5), None);
        let mark = Mark {
            time: MARK_S + 5,
            id: None,
        };
        assert_eq!(*backlog.mark(), mark);
        assert_eq!(backlog.live(MARK_S + 9).since, MARK_S + 9 - LATE_S);
    }

    #[test]
    fn every_note_since_the_mark_is_found_however_short_the_pages_are() {
        for cap in [1, 2, 3, 7, 500] {
            let times: Vec<i64> = (0..40).map(|note| MARK_S + note * 3).collect();
            let mut relay = Relay::new(times.clone(), cap);
            let mut backlog = Backlog::after(mark());
            backlog.go_live();
            let mut seen = Vec::new();
            assert_eq!(relay.fill(&mut backlog, &mut seen), [], "pages of {cap}");
            assert_eq!(sorted(seen), times, "pages of {cap}");
            assert_eq!(backlog.mark().time, MARK_S + 39 * 3);
        }
    }

    #[test]
    fn notes_of_one_second_are_found_where_a_page_holds_them_whatever_until_means() {
        for (is_exclusive, cap) in [(false, 4), (false, 5), (true, 4), (true, 5), (true, 7)] {
            let mut relay = Relay::new((0..60).map(|note| MARK_S + note / 3), cap);
            relay.is_exclusive = is_exclusive;
            for (number, (_, id)) in relay.notes.iter_mut().enumerate() {
                *id = number.to_string();
            }
            let mut backlog = Backlog::after(mark());
            backlog.go_live();
            let mut found = std::collections::BTreeSet::new();
            while !backlog.is_filled() {
                assert_eq!(relay.page(&mut backlog, &mut Vec::new()), None);
                found.extend(relay.given.drain(..));
            }
            assert_eq!(found.len(), 60, "exclusive: {is_exclusive}, pages of {cap}");
        }
    }

    #[test]
    fn the_mark_stays_till_the_last_stretch_is_filled_and_a_cut_asks_for_nothing_twice() {
        let times: Vec<i64> = (0..30).map(|note| MARK_S + note * 100).collect();
        let mut relay = Relay::new(times, 4);
        let mut backlog = Backlog::after(mark());
        let mut seen = Vec::new();
        backlog.go_live();
        for _ in 0..3 {
            assert_eq!(relay.page(&mut backlog, &mut seen), None);
        }
        assert_eq!(*backlog.mark(), mark());
        let left = backlog.next_page(NOW_S);
        // Cut, and two notes more.
        relay.notes.insert(0, (MARK_S + 3_000, "n".to_owned()));
        relay.notes.insert(0, (MARK_S + 3_100, "o".to_owned()));
        relay.asked.clear();
        backlog.go_live();
        assert_eq!(relay.fill(&mut backlog, &mut seen), []);
        let since_cut = MARK_S + 2_900 - REWIND_S;
        let older = relay.asked.iter().find(|asked| asked.since != since_cut);
        assert_eq!(older, left.as_ref());
        let all: Vec<i64> = (0..32).map(|note| MARK_S + note * 100).collect();
        assert_eq!(sorted(seen), all);
        assert_eq!(backlog.mark().id.as_deref(), Some("o"));
    }

    #[test]
    fn a_cut_before_the_first_page_loses_nothing_that_came_live() {
        let mut backlog = Backlog::after(mark());
        backlog.go_live();
        backlog.hear("live", MARK_S + 500, MARK_S + 500);
        backlog.go_live();
        assert_eq!(
            backlog.next_page(NOW_S).map(|page| page.since),
            Some(MARK_S - REWIND_S)
        );
        assert_eq!(*backlog.mark(), mark());
    }

    #[test]
    fn many_cuts_in_the_middle_stay_few_stretches_from_the_first_mark_on() {
        let mut backlog = Backlog::after(mark());
        for cut in 0..500 {
            backlog.go_live();
            let time = MARK_S + 1_000 + cut * 10;
            backlog.hear("n", time, time);
            let mut page = Page::default();
            page.add(time);
            assert_eq!(backlog.end_page(page, time, time), None);
        }
        assert!(backlog.stretches.len() <= STRETCHES_MAX);
        assert_eq!(*backlog.mark(), mark());
    }

    #[test]
    fn a_relay_that_has_forgotten_the_mark_shows_a_gap_up_to_what_it_still_has() {
        let mut backlog = Backlog::after(mark());
        backlog.go_live();
        let mut relay = Relay::new([MARK_S + 5_000, MARK_S + 6_000], 500);
        let gaps = relay.fill(&mut backlog, &mut Vec::new());
        assert_eq!(gaps.len(), 1);
        assert_eq!(gaps[0].start, MARK_S);
        assert!(
            (MARK_S + 4_999..=MARK_S + 5_000).contains(&gaps[0].end),
            "{gaps:?}"
        );
    }

    #[test]
    fn an_empty_relay_shows_a_gap_up_to_now_but_only_after_a_note_was_heard() {
        let mut empty = Relay::new([], 500);
        let mut backlog = Backlog::after(mark());
        backlog.go_live();
        let gap = MARK_S..NOW_S;
        assert_eq!(empty.fill(&mut backlog, &mut Vec::new()), [gap]);
        let mut quiet = Backlog::after(Mark { id: None, ..mark() });
        quiet.go_live();
        assert_eq!(empty.fill(&mut quiet, &mut Vec::new()), []);
    }

    #[test]
    fn what_is_too_far_back_is_a_gap_and_not_asked_for_without_end() {
        let times = (0..3_000).map(|note| MARK_S + note * 2);
        let mut relay = Relay::new(times, 2);
        let mut backlog = Backlog::after(mark());
        backlog.go_live();
        let gaps = relay.fill(&mut backlog, &mut Vec::new());
        assert_eq!(relay.asked.len(), PAGES_MAX as usize);
        assert_eq!(gaps.len(), 1);
        assert_eq!(gaps[0].start, MARK_S);
        assert!(gaps[0].end > MARK_S + 1_000, "{gaps:?}");
    }

    #[test]
    fn a_backdated_note_among_the_stored_ones_hides_none_of_them() {
        let mut backlog = Backlog::after(mark());
        backlog.go_live();
        let mut page = Page::default();
        for time in [900, 10, 800, 700] {
            page.add(MARK_S + time);
        }
        assert_eq!(backlog.end_page(page, NOW_S, NOW_S), None);
        let next = backlog.next_page(NOW_S).expect("there is more");
        assert_eq!(next.until, Some(MARK_S + 701));
    }

    #[test]
    fn what_cannot_be_had_is_a_gap_and_the_rest_is_asked_for() {
        let mut backlog = Backlog::after(mark());
        backlog.go_live();
        assert_eq!(backlog.give_up(MARK_S + 90), Some(MARK_S..MARK_S + 90));
        backlog.skip_to(MARK_S + 90);
        backlog.go_live();
        let since = backlog.next_page(MARK_S + 90).map(|page| page.since);
        assert_eq!(since, Some(MARK_S + 90 - REWIND_S));
        assert_eq!(
            backlog.end_page(Page::default(), MARK_S + 95, MARK_S + 95),
            None
        );
        assert_eq!(backlog.give_up(MARK_S + 95), None);
    }

    #[test]
    fn a_future_date_does_not_push_the_mark() {
        let mut backlog = Backlog::beginning(MARK_S);
        backlog.go_live();
        backlog.hear("future", MARK_S + 200, MARK_S + 100);
        assert_eq!(backlog.mark().time, MARK_S);
        backlog.hear("past", MARK_S - 200, MARK_S + 100);
        assert_eq!(
            backlog.mark().time,
            MARK_S,
            "nor does a late note pull it back"
        );
        backlog.hear("now", MARK_S + 100, MARK_S + 100);
        assert_eq!(backlog.mark().id.as_deref(), Some("now"));
    }
}
