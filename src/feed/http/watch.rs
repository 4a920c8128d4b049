//! A page that is asked for again and again: what feeds and status pages have in common.
//!
//! It asks conditionally, obeys what a server says about waiting, asks a server that refuses rarely, remembers where a
//! page has moved for good, and comes back no sooner than the setting, `max-age` and the page's own word allow, with
//! some jitter. What the page means is up to the feed: it takes each [`Look`] and says [`Watch::accept`] if it could
//! read it.
//!
//! What is stored ([`Place`]) holds no address that could hold a secret: of the one that was asked for a hash, and one
//! that a page has moved to only if it has neither a query nor a user; else a restart asks the old one again.

use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::polling::{self, Line, REFUSED_RETRY, SETTLING, Stop};
use super::wait::{self, BackOff};
use super::{Answer, Fetcher, Page, Request, Token, Validators, hash_of};
use crate::clock;
use crate::feed::contract::Closed;
use crate::post::Reject;
use crate::time::Timestamp;

/// However long a page says that it will stay, it is asked again after a day.
const POLL_MAX: Duration = Duration::from_hours(24);
/// Polls are late by up to this share, so that many feeds do not meet.
const JITTER: f64 = 0.1;

/// What is asked for, and how often.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The address.
    pub(crate) url: Url,
    /// `Accept`.
    pub(crate) accept: &'static str,
    /// For the server of `url` alone.
    pub(crate) token: Option<Token>,
    /// The shortest time between polls.
    pub(crate) poll: Duration,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Watch {
    wanted: Wanted,
    fetcher: Fetcher,
    place: Place,
    /// Where the page is now.
    now_at: Url,
    max_age: Duration,
    back_off: BackOff,
    /// Before the next request.
    pause: Duration,
}

/// How far a page is read, as the store keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Hash of the address that was asked for.
    asked: u64,
    /// Where it has moved for good, if that may be stored.
    moved: Option<String>,
    validators: Option<Validators>,
    /// For how long it said that it stays as it is.
    stays_s: u64,
}

/// What one look at a page gave.
#[derive(Debug)]
pub(crate) enum Look {
    /// The page as it is now.
    Page {
        /// What came.
        page: Box<Page>,
        /// All that was there before this time is on it.
        heard_until: Timestamp,
    },
    /// It is as it was.
    Unchanged {
        /// Nothing was added before this time.
        heard_until: Timestamp,
    },
    /// It was taken down for good.
    Gone {
        /// In plain words.
        why: String,
    },
}

impl Watch {
    /// A page that is asked for from `place` on. The place of another page means nothing here.
    pub(crate) fn new(wanted: Wanted, fetcher: Fetcher, place: Option<Place>) -> Self {
        let asked = hash_of(&wanted.url);
        let place = place.filter(|place| place.asked == asked).unwrap_or(Place {
            asked,
            ..Place::default()
        });
        let moved = place.moved.as_ref().and_then(|moved| moved.parse().ok());
        Self {
            now_at: moved.unwrap_or_else(|| wanted.url.clone()),
            wanted,
            fetcher,
            place,
            max_age: Duration::ZERO,
            back_off: BackOff::default(),
            pause: Duration::ZERO,
        }
    }

    /// Whether `place` is one of `url`.
    pub(crate) fn is_of(place: &Place, url: &Url) -> bool {
        place.asked == hash_of(url)
    }

    /// To be stored with what was read.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Waits for as long as it should, and asks until there is something to tell.
    pub(crate) async fn next(&mut self, line: &mut Line<'_>) -> Result<Look, Closed> {
        loop {
            line.pause(std::mem::take(&mut self.pause)).await?;
            match self.look(line).await {
                Ok(look) => return Ok(look),
                Err(Stop::Refused {
                    status: Some(410),
                    why,
                }) => return Ok(Look::Gone { why }),
                Err(stop) => line.heed(stop, REFUSED_RETRY.max(self.interval())).await?,
            }
        }
    }

    async fn look(&mut self, line: &mut Line<'_>) -> Result<Look, Stop> {
        let heard_until = wait::before(clock::now(), SETTLING);
        let request = self.request();
        let look = match line.during(self.fetcher.get(&request)).await? {
            Answer::NotModified { max_age } if request.validators.is_some() => {
                self.max_age = max_age.unwrap_or(self.max_age);
                Look::Unchanged { heard_until }
            }
            answer => {
                let page = polling::admit(answer, &mut self.back_off)?;
                self.max_age = page.max_age.unwrap_or_default();
                Look::Page {
                    page: Box::new(page),
                    heard_until,
                }
            }
        };
        self.back_off.reset();
        self.pause = self.interval();
        Ok(look)
    }

    /// The page could be read: what its server said of it holds from now on. `stays`: what the page says itself about
    /// how long it stays as it is.
    pub(crate) fn accept(&mut self, page: &Page, stays: Duration) {
        self.place.stays_s = stays.as_secs();
        self.place.validators.clone_from(&page.validators);
        if let Some(moved) = &page.permanent_redirect {
            self.now_at = moved.clone();
            self.place.moved = may_be_stored(moved).then(|| moved.to_string());
        }
        self.pause = self.interval();
    }

    /// What came could not be read: it is counted, told, and asked for again at the usual time.
    pub(crate) async fn reject(
        &mut self,
        reject: Reject,
        why: String,
        line: &mut Line<'_>,
    ) -> Result<(), Closed> {
        let stop = Stop::Wait {
            until: wait::after(clock::now(), std::mem::take(&mut self.pause)),
            why,
            broken: Some(reject),
        };
        line.heed(stop, REFUSED_RETRY).await
    }

    fn request(&self) -> Request {
        let is_at_home = self.now_at.origin() == self.wanted.url.origin();
        Request {
            url: self.now_at.clone(),
            accept: self.wanted.accept,
            validators: self.place.validators.clone(),
            token: self.wanted.token.clone().filter(|_| is_at_home),
        }
    }

    fn interval(&self) -> Duration {
        let stays = self.max_age.max(Duration::from_secs(self.place.stays_s));
        let interval = self.wanted.poll.max(stays.min(POLL_MAX));
        interval.mul_f64(1.0 + JITTER * wait::random_share())
    }
}

/// Whether an address holds nothing that could be a secret.
fn may_be_stored(url: &Url) -> bool {
    url.query().is_none() && url.username().is_empty() && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    fn watch(url: &str, place: Option<Place>) -> Watch {
        let wanted = Wanted {
            url: url.parse().expect("an address"),
            accept: "*/*",
            token: Some(Token::new("canary")),
            poll: Duration::from_mins(5),
        };
        let fetcher = Fetcher::new(Settings::default()).expect("a fetcher");
        Watch::new(wanted, fetcher, place)
    }

    fn page(moved: Option<&str>) -> Page {
        Page {
            bytes: Vec::new(),
            charset: None,
            validators: Some(Validators {
                etag: Some("W/\"1\"".to_owned()),
                last_modified: None,
                address: 7,
            }),
            final_url: "https://a.example/".parse().expect("an address"),
            permanent_redirect: moved.map(|moved| moved.parse().expect("an address")),
            max_age: None,
        }
    }

    #[test]
    fn a_place_comes_back_for_its_own_address_alone() {
        let mut first = watch("https://a.example/feed", None);
        first.accept(
            &page(Some("https://a.example/new")),
            Duration::from_hours(1),
        );
        let stored = serde_json::to_string(first.place()).expect("JSON");
        let place: Place = serde_json::from_str(&stored).expect("ours");
        let again = watch("https://a.example/feed", Some(place.clone()));
        assert_eq!(again.request().url.as_str(), "https://a.example/new");
        assert!(again.request().validators.is_some());
        assert!(again.interval() >= Duration::from_hours(1));
        let other = watch("https://a.example/other", Some(place));
        assert_eq!(other.request().url.as_str(), "https://a.example/other");
        assert!(other.request().validators.is_none());
    }

    #[test]
    fn no_secret_of_an_address_is_stored() {
        let mut watch = watch("https://ann:canary@a.example/feed?key=canary", None);
        for moved in [
            "https://a.example/new?key=canary",
            "https://ann:canary@a.example/",
        ] {
            watch.accept(&page(Some(moved)), Duration::ZERO);
            assert_eq!(
                watch.request().url.as_str(),
                moved,
                "it is gone to all the same"
            );
            let stored = serde_json::to_string(watch.place()).expect("JSON");
            assert!(!stored.contains("canary"), "{stored}");
        }
    }

    #[test]
    fn a_token_stays_with_the_server_it_was_given_for() {
        let mut watch = watch("https://a.example/feed", None);
        assert!(watch.request().token.is_some());
        watch.accept(&page(Some("https://a.example/new")), Duration::ZERO);
        assert!(watch.request().token.is_some());
        watch.accept(&page(Some("https://b.example/feed")), Duration::ZERO);
        assert!(watch.request().token.is_none());
    }

    #[test]
    fn the_longest_word_about_staying_counts_up_to_a_day() {
        let mut watch = watch("https://a.example/feed", None);
        let within = |watch: &Watch, minutes: u64| {
            let least = Duration::from_mins(minutes);
            (least..=least.mul_f64(1.0 + JITTER)).contains(&watch.interval())
        };
        assert!(within(&watch, 5));
        watch.max_age = Duration::from_mins(10);
        assert!(within(&watch, 10));
        watch.accept(&page(None), Duration::from_mins(20));
        assert!(within(&watch, 20));
        watch.max_age = Duration::from_hours(9_999);
        assert!(within(&watch, 24 * 60));
    }
}
