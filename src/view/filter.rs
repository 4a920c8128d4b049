//! Which posts are looked at: those of a source, those in a language.

use std::collections::BTreeSet;

use crate::store::{Error, Ledger};
use crate::trend::mention::{LangId, Mention, SourceId};

/// Keeps mentions by where and in which language their posts were written. Empty: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    sources: Option<BTreeSet<SourceId>>,
    langs: Option<BTreeSet<LangId>>,
}

impl Filter {
    /// Sources that are `source` or begin with `source:`; languages that are `lang`. A name nobody has keeps nothing.
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
                    .filter(|(_, tag)| tag.eq_ignore_ascii_case(wanted))
                    .map(|(id, _)| id)
                    .collect(),
            ),
        };
        Ok(Self { sources, langs })
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

#[cfg(test)]
mod tests {
    use super::is_within;

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
