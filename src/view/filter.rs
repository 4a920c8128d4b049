//! Which posts are looked at: those of a source, those in a language.

use std::collections::BTreeSet;

use crate::store::{Error, Ledger};
use crate::time::Minute;
use crate::trend::mention::{LangId, Mention, SourceId};

/// Keeps mentions by where and in which language their posts were written. Empty: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    sources: Option<BTreeSet<SourceId>>,
    langs: Option<BTreeSet<LangId>>,
}

impl Filter {
    /// Sources that are `source` or begin with `source:`; languages that are `lang` or one of the two is a part of the
    /// other, as `bn` of `bn-BD`. A name nobody has keeps nothing.
    pub fn new(
        ledger: &impl Ledger,
        source: Option<&str>,
        lang: Option<&str>,
    ) -> Result<Self, Error> {
        let sources = match source {
            None => None,
            Some(wanted) => Some(
                ledger
                    .source_names()?
                    .into_iter()
                    .filter(|(_, name)| is_within(name, wanted))
                    .map(|(id, _)| id)
                    .collect(),
            ),
        };
        let langs = match lang {
            None => None,
            Some(wanted) => Some(
                ledger
                    .lang_tags()?
                    .into_iter()
                    .filter(|(_, tag)| is_in_language(tag, wanted))
                    .map(|(id, _)| id)
                    .collect(),
            ),
        };
        Ok(Self { sources, langs })
    }

    /// The first minute whose posts can be told apart, where an earlier one was heard: before it mentions are sealed.
    pub fn possible_since(ledger: &impl Ledger) -> Result<Option<Minute>, Error> {
        let first = ledger.coverage()?.map(|coverage| Minute(coverage.start()));
        let kept_since = ledger.mentions_since()?.max(ledger.minutes_since()?);
        Ok(kept_since.filter(|_| first.is_some() && first < kept_since))
    }

    /// Whether a source or a language was asked for that no post is from or in.
    pub fn keeps_nothing(&self) -> bool {
        self.sources.as_ref().is_some_and(BTreeSet::is_empty)
            || self.langs.as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// Whether every post is kept.
    pub fn is_empty(&self) -> bool {
        self.sources.is_none() && self.langs.is_none()
    }

    /// Whether a mention is kept.
    pub fn keeps(&self, mention: &Mention) -> bool {
        self.sources
            .as_ref()
            .is_none_or(|sources| sources.contains(&mention.source))
            && self
                .langs
                .as_ref()
                .is_none_or(|langs| langs.contains(&mention.lang))
    }
}

fn is_within(name: &str, wanted: &str) -> bool {
    name.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// By the subtags, which `-` sets apart, as RFC 4647 filters: a post in `bn` may well be in `bn-BD`, and the other way
/// round.
fn is_in_language(tag: &str, wanted: &str) -> bool {
    let subtags =
        |tag: &str| -> Vec<String> { tag.split(['-', '_']).map(str::to_ascii_lowercase).collect() };
    let (tag, wanted) = (subtags(tag), subtags(wanted));
    tag.starts_with(&wanted) || wanted.starts_with(&tag)
}

#[cfg(test)]
mod tests {
    use super::{is_in_language, is_within};

    #[test]
    fn a_language_is_found_with_its_region_and_without() {
        assert!(is_in_language("bn", "bn-BD") && is_in_language("bn-BD", "bn"));
        assert!(is_in_language("pt_BR", "pt-br"));
        assert!(!is_in_language("bn-IN", "bn-BD"), "two regions");
        assert!(!is_in_language("ben", "be"), "another language");
    }

    #[test]
    fn a_kind_stands_for_all_its_hosts_and_a_host_for_itself() {
        assert!(is_within("mastodon:example.social", "mastodon"));
        assert!(is_within(
            "mastodon:example.social",
            "mastodon:example.social"
        ));
        assert!(!is_within("mastodonish", "mastodon"));
    }
}
